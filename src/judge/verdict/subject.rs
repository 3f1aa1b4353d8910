//! The Pod that is judged, with the rules for it.

use crate::judge::{Moment, PodRules, PodView, Policy};

/// Pod that is judged at one moment, with the rules for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// Latest view of the Pod.
    pub view: &'a PodView,
    /// Policy of the node.
    pub policy: &'a Policy,
    /// Rules for the Pod, by the policy and the Pod's annotations.
    pub rules: &'a PodRules,
    /// The present moment.
    pub now: Moment,
}
