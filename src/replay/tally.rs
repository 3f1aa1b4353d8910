//! Sums of one policy over a record.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Decision, Fate, Finding};

/// Sums of one policy over the whole record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// The policy.
    pub policy: String,
    /// Pods with a failure that was counted.
    pub pods: u64,
    /// Failures that were counted.
    pub failures: u64,
    /// Pods that would have been failed.
    pub failed: u64,
    /// Pods of which it would have been said.
    pub would_fail: u64,
    /// Those of both that started after all.
    pub wrong: u64,
    /// Those of both of which the record does not tell whether they would have started.
    pub unknown: u64,
    /// Pods that were spared, and not failed later.
    pub spared: u64,
    /// Pods that a brake held as long as the record goes.
    pub held: u64,
    /// Pods to which the write would not have been made.
    pub not_written: u64,
    /// Pods that it would have waited for.
    pub waited: u64,
    /// Number of Pods that each brake held for a while.
    pub brakes: BTreeMap<&'static str, u64>,
    /// Verdicts that are the record's own.
    pub agreed: u64,
    /// Verdicts that are others, or that only one of both has.
    pub disagreed: u64,
}

impl Tally {
    pub(super) fn of(policy: &str) -> Self {
        Self {
            policy: policy.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn count(&mut self, finding: &Finding, fate: Fate) {
        self.pods += 1;
        *match finding.decision {
            Decision::Failed => &mut self.failed,
            Decision::WouldFail => &mut self.would_fail,
            Decision::Spared => &mut self.spared,
            Decision::Held => &mut self.held,
            Decision::NotWritten => &mut self.not_written,
            Decision::Waited => &mut self.waited,
        } += 1;
        for brake in finding.held.keys() {
            *self.brakes.entry(brake).or_default() += 1;
        }
        match finding.wrong {
            Some(true) => self.wrong += 1,
            // What the agent itself has failed, it has failed by the same right.
            None if fate != Fate::Failed => self.unknown += 1,
            Some(false) | None => {}
        }
    }

    /// Adds what the same policy came to on another node.
    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.pods, other.pods),
            (&mut self.failures, other.failures),
            (&mut self.failed, other.failed),
            (&mut self.would_fail, other.would_fail),
            (&mut self.wrong, other.wrong),
            (&mut self.unknown, other.unknown),
            (&mut self.spared, other.spared),
            (&mut self.held, other.held),
            (&mut self.not_written, other.not_written),
            (&mut self.waited, other.waited),
            (&mut self.agreed, other.agreed),
            (&mut self.disagreed, other.disagreed),
        ] {
            *mine += theirs;
        }
        for (brake, count) in &other.brakes {
            *self.brakes.entry(brake).or_default() += count;
        }
    }
}
