//! Answers to the questions of `status`, `explain` and the gauges, as functions of what is known.
//!
//! A [`View`] is read-only and needs no agent: the judge's state, the policy, the time, and the few
//! facts that only the agent knows. Nothing here waits, reads a clock or touches a file.

pub mod explain;
mod next;
pub mod status;
mod totals;

pub use explain::{Explanation, ImageExplained, Known, explain};
pub use status::{PodStatus, Status, Unrecognised, status};
pub use totals::{held, stuck};

use crate::judge::{Docket, Moment, Policy, Reason};

/// Everything that `status` and `explain` are computed from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Pods that are being judged, and what was counted.
    pub docket: &'a Docket,
    /// Policy in force.
    pub policy: &'a Policy,
    /// Time of the question, by the boot clock.
    pub now: Moment,
    /// Errors that this version does not know, the latest last.
    pub unrecognised: &'a [Unrecognised],
    /// Facts that only the agent knows.
    pub facts: &'a Facts,
}

/// Facts that only the agent knows.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Whether the container runtime answers.
    pub runtime: bool,
    /// Polls of the runtime since the agent started.
    pub polls: u64,
    /// `closed`, `open` or `lost`.
    pub evidence: String,
    /// `kubelet` or `apiserver`, whichever is open; empty if none is.
    pub evidence_source: String,
    /// Pods that the runtime holds.
    pub sandboxes: usize,
    /// Those of them that may be waiting for an image.
    pub unsettled: usize,
    /// Faults of the changed configuration file; `None` if the file is in force.
    pub configuration_refused: Option<String>,
    /// Whether the dry run was denied that must be denied; `None` outside a Pod.
    pub guard_tried: Option<bool>,
    /// Whether the counts are kept on disk.
    pub state_kept: bool,
    /// Pods that would have been failed and started after all, since the agent started.
    pub would_fail_then_started: u64,
}

/// Returns the sentences for these reasons.
fn texts_of(reasons: &[Reason]) -> Vec<String> {
    reasons.iter().map(Reason::to_string).collect()
}
