//! Results of what the agent does about a Pod.

use serde::{Deserialize, Serialize};

use super::Reason;

/// Result of the report on a Pod, as far as it matters for judging the Pod again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Both writes were made.
    Written,
    /// Observing: it would have been failed.
    Due,
    /// It was spared because of what the node's runtime knows: once only.
    SparedByRuntime,
    /// It was spared because it had moved on by itself.
    MovedOn,
    /// It was spared because it is not to be failed any more.
    Spared,
    /// It is gone.
    Gone,
    /// The write could not be made.
    Refused,
    /// The API server denies more than the write about this Pod at present: every write of this
    /// agent, or its reads. The journal has it as `refused`.
    #[serde(rename(serialize = "refused"), skip_deserializing)]
    Barred,
    /// The API server denies a write about this Pod, and would again.
    Denied,
}

impl Outcome {
    /// Word for it in the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Due => "due",
            Self::SparedByRuntime => "spared-by-runtime",
            Self::MovedOn => "moved-on",
            Self::Spared => "spared",
            Self::Gone => "gone",
            Self::Refused | Self::Barred => "refused",
            Self::Denied => "denied",
        }
    }

    /// Word for people in the journal: `written`, `due`, `spared`, `gone`, `denied` or `failed`.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::SparedByRuntime | Self::MovedOn | Self::Spared => "spared",
            Self::Barred | Self::Denied => "denied",
            Self::Refused => "failed",
            Self::Written | Self::Due | Self::Gone => self.as_str(),
        }
    }
}

/// Result of the report on a Pod, with the reason for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The result.
    pub outcome: Outcome,
    /// The reason; empty where the result says it all.
    pub detail: String,
}

impl Ending {
    /// A report that ended because of an error or an answer.
    pub fn with(outcome: Outcome, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { outcome, detail }
    }

    /// A report that found a reason not to fail the Pod.
    pub fn spared(reason: &Reason) -> Self {
        let outcome = match reason {
            Reason::OnNode { .. }
            | Reason::PulledByRuntime { .. }
            | Reason::StillPulling { .. } => Outcome::SparedByRuntime,
            Reason::NotPending
            | Reason::NotWaitingForImage { .. }
            | Reason::NoFailureYet { .. } => Outcome::MovedOn,
            _ => Outcome::Spared,
        };
        Self::with(outcome, reason.to_string())
    }
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Self {
        let detail = match outcome {
            Outcome::Gone => "the Pod is gone",
            _ => "",
        };
        Self::with(outcome, detail)
    }
}

/// Fate of a Pod that left Pending without us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// Its containers are past their pulls.
    Started,
    /// It was deleted, replaced, or failed otherwise.
    Ended,
    /// That could not be found out.
    Unknown,
}

impl Aftermath {
    /// Word for it in the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ended => "ended",
            Self::Unknown => "unknown",
        }
    }
}

/// Result of a try to revert our conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Undone {
    /// It stands no more.
    Clear,
    /// It is right: the deadline was written too, though its answer was lost.
    Written,
    /// It still stands.
    Standing,
}

impl Undone {
    /// The word used in the node's log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Written => "written",
            Self::Standing => "standing",
        }
    }
}
