//! Rules that name the Pods in scope, by their labels and by the kind of their controller.

use std::collections::BTreeSet;

use super::selector::Selector;
use crate::judge::PodView;

/// Kind that stands for a Pod without a controller.
const NONE: &str = "none";

/// Rule that names Pods in scope. A Pod must meet both parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRule {
    /// Labels of the Pod; `None` for any.
    pub selector: Option<Selector>,
    /// Kinds that the controller may have; empty for any.
    pub owner_kinds: BTreeSet<String>,
}

impl PodRule {
    /// Returns true if a Pod meets the rule.
    pub fn covers(&self, view: &PodView) -> bool {
        let kind = view.owner.as_ref().map_or(NONE, |owner| &owner.kind);
        let selector = self.selector.as_ref();
        selector.is_none_or(|selector| selector.matches(&view.labels))
            && (self.owner_kinds.is_empty() || self.owner_kinds.contains(kind))
    }
}
