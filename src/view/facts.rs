//! Input of the answers: the judge's state, the policy, the time, and what only the agent knows.

use serde::{Deserialize, Serialize};

use crate::judge::{Judge, Moment, Source};

/// Everything that `status` and `explain` are computed from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Everything that is known of the node.
    pub judge: &'a Judge,
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
    /// True if the container runtime answers.
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
    /// True if the counts are kept on disk.
    pub state_kept: bool,
    /// Pods that would have been failed and started after all, since the agent started.
    pub would_fail_then_started: u64,
}

/// Outcome of the dry run that shows whether the API server limits the agent to its own node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardTried {
    /// The agent does not run in a Pod: nothing is tried.
    No,
    /// It was not denied yet.
    #[serde(rename = "not yet")]
    NotYet,
    /// It was denied, as it must be.
    Yes,
}

/// State of the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceState {
    /// No Pod may be waiting for an image.
    Closed,
    /// A source reports the Pending Pods of this node.
    Open,
    /// It is wanted, and no source answers.
    Lost,
}

/// Error that this version does not recognise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrecognised {
    /// Text of the error.
    pub message: String,
    /// Times that it was counted since the agent started.
    pub count: u64,
}
