//! Settings of the brakes, to and from the judge's own types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kinds::{Count, Span};
use crate::judge;

/// The most Pods that the agent fails in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Budget {
    /// The most Pods that the agent fails on this node within `budget.per`.
    pub pods: Count,
    /// The most Pods of one owner that the agent fails on this node within `budget.per`. Pods that
    /// fail for the same image and cause count as one.
    pub per_owner: Count,
    /// The span of time that the budget is for.
    pub per: Span,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            pods: Count::of(10),
            per_owner: Count::of(3),
            per: Span::minutes(10),
        }
    }
}

impl From<Budget> for judge::Budget {
    fn from(budget: Budget) -> Self {
        Self {
            pods: budget.pods.0.get(),
            per_owner: budget.per_owner.0.get(),
            per: budget.per.0,
        }
    }
}

impl From<judge::Budget> for Budget {
    fn from(budget: judge::Budget) -> Self {
        Self {
            pods: Count::of(budget.pods),
            per_owner: Count::of(budget.per_owner),
            per: Span(budget.per),
        }
    }
}

/// Signs by which the agent takes a registry itself to be in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistryBrake {
    /// Repositories of the registry that must fail while nothing is pulled from it.
    pub repositories: Count,
    /// The span of time in which they must fail.
    pub within: Span,
    /// The longest time that verdicts of class `permanent` are held.
    /// Verdicts of class `denied` are held for 6h, or for this long if it is longer.
    pub at_most: Span,
}

impl Default for RegistryBrake {
    fn default() -> Self {
        Self {
            repositories: Count::of(3),
            within: Span::minutes(15),
            at_most: Span::minutes(60),
        }
    }
}

impl From<RegistryBrake> for judge::RegistryRule {
    fn from(brake: RegistryBrake) -> Self {
        Self {
            repositories: brake.repositories.0,
            within: brake.within.0,
            at_most: brake.at_most.0,
        }
    }
}

impl From<judge::RegistryRule> for RegistryBrake {
    fn from(rule: judge::RegistryRule) -> Self {
        Self {
            repositories: Count(rule.repositories),
            within: Span(rule.within),
            at_most: Span(rule.at_most),
        }
    }
}
