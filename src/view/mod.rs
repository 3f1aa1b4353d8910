//! Answers to the questions of `status`, `explain` and the gauges, as functions of what is known.
//!
//! A [`View`] is read-only and needs no agent: the judge's state, the policy, the time, and the few
//! facts that only the agent knows. Nothing here waits, reads a clock or touches a file.

mod explain;
mod next;
mod reason;
mod status;
mod totals;

pub use explain::{Explanation, ImageExplained, Known, Spare, explain};
pub use next::NextStep;
pub use reason::{Decided, ReasonKind, ReasonShown};
pub use status::{
    Counted, EvidenceState, FailingImage, GuardTried, PodStatus, Progress, Status, Unrecognised,
    status,
};
pub use totals::{held, stuck};

use crate::judge::{Docket, Moment, Policy, Source};

/// Everything that `status` and `explain` are computed from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Pods that are being judged, and what was counted.
    pub docket: &'a Docket,
    /// Policy in force.
    pub policy: &'a Policy,
    /// Time of the question, by the boot clock.
    pub now: Moment,
    /// Errors that this version does not recognise, the latest last.
    pub unrecognised: &'a [Unrecognised],
    /// Facts that only the agent knows.
    pub facts: &'a Facts,
}

/// Facts that only the agent knows.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Whether the container runtime answers.
    pub runtime: bool,
    /// Polls of the runtime since the agent started.
    pub polls: u64,
    /// State of the evidence.
    pub evidence: EvidenceState,
    /// Source that is open; `None` if none is.
    pub evidence_source: Option<Source>,
    /// Pods that the runtime holds.
    pub sandboxes: usize,
    /// Those of them that may be waiting for an image.
    pub unsettled: usize,
    /// Faults of the changed configuration file; `None` if the file is in force.
    pub configuration_refused: Option<String>,
    /// Outcome of the dry run that the API server must deny.
    pub guard_tried: GuardTried,
    /// Whether the counts are kept on disk.
    pub state_kept: bool,
    /// Pods that would have been failed and started after all, since the agent started.
    pub would_fail_then_started: u64,
}
