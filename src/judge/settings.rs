//! The part of a configuration that verdicts depend on.

use std::time::Duration;

use super::{BrakeRules, Policy};

/// Settings that verdicts depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Rules that decide which Pods are judged, and by which thresholds.
    pub policy: Policy,
    /// Settings of the brakes.
    pub brakes: BrakeRules,
    /// Time after the first start on a boot in which no Pod is failed.
    pub warm_up: Duration,
}
