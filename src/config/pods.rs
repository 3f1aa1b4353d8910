//! Rules for the Pods in scope, as they are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kinds::Scalar;
use super::selector::{Labels, texts};
use crate::judge::{PodRule, Selector};

/// Rule that names Pods in scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "Written")]
pub struct Covered(pub(super) PodRule);

/// Rule as it stands in the file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping")]
struct Written {
    /// The labels that the Pods must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<Labels>,
    /// The kinds that the Pods' controllers may have; `none` stands for a Pod without a controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_kinds: Option<Vec<Scalar>>,
}

impl TryFrom<Written> for Covered {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let kinds = written.owner_kinds.map(texts);
        if written.selector.is_none() && kinds.is_none() {
            return Err("has neither a selector nor ownerKinds");
        }
        if kinds.as_ref().is_some_and(|kinds| kinds.is_empty()) {
            return Err("has an empty list of ownerKinds, so it would take no Pod");
        }
        Ok(Self(PodRule {
            selector: written.selector.map(Selector::try_from).transpose()?,
            owner_kinds: kinds.unwrap_or_default(),
        }))
    }
}

impl From<Covered> for Written {
    fn from(Covered(rule): Covered) -> Self {
        let kinds = rule.owner_kinds;
        Self {
            selector: rule.selector.map(Labels::from),
            owner_kinds: (!kinds.is_empty()).then(|| kinds.into_iter().map(Scalar).collect()),
        }
    }
}
