//! Settings of the brakes, from the node's configuration.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::judge::Class;

/// Settings of the brakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrakeRules {
    /// Number of Pods that may be failed.
    pub budget: Budget,
    /// Signs that a registry itself is in trouble.
    pub registry: RegistryRule,
    /// Longest time that refusals wait for a first pull from their registry since the node started.
    /// Zero: no time.
    pub new_node: Duration,
}

/// Number of Pods that may be failed within a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Pods of the node.
    pub pods: u32,
    /// Pods of one owner.
    pub per_owner: u32,
    /// The span of time.
    pub per: Duration,
}

/// Signs that a registry itself, rather than its images, is in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryRule {
    /// So many different repositories fail …
    pub repositories: NonZeroU32,
    /// … within this time, and nothing was pulled from the registry in it.
    pub within: Duration,
    /// Longest time that verdicts of class permanent are held.
    pub at_most: Duration,
}

/// Verdicts of class denied are held no longer than this, or than `at_most` where that is longer.
/// Three images of one Pod with a wrong pull secret would otherwise hold each other for ever.
const DENIED_AT_MOST: Duration = Duration::from_secs(6 * 3600);

impl RegistryRule {
    /// Returns the longest time that verdicts of a class are held; `None` where there is no limit.
    pub fn limit(&self, class: Class) -> Option<Duration> {
        match class {
            Class::Permanent => Some(self.at_most),
            Class::Denied => Some(self.at_most.max(DENIED_AT_MOST)),
            Class::Corrupt | Class::Transient | Class::Unknown | Class::Node => None,
        }
    }
}
