//! Results of what the agent does about a Pod.

use serde::{Deserialize, Serialize};

use super::{Phase, PodView, Reason};
use crate::fleet::Closed;

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
    /// The API server denies the agent's reads at present. The journal has it as `refused`.
    #[serde(rename(serialize = "refused"), skip_deserializing)]
    Barred,
    /// No dry run shows that the admission policy limits the agent to its node. Nothing was written.
    Unguarded,
    /// The kill switch denies every write of all agents.
    Off,
    /// The API server denies a write about this Pod, and would again.
    Denied,
    /// The fleet budget has no place for it. Nothing was written.
    Fleet,
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
            Self::Unguarded => "unguarded",
            Self::Off => "off",
            Self::Denied => "denied",
            Self::Fleet => "fleet",
        }
    }

    /// Returns true if the agent may write to no Pod at present, whichever it is.
    pub const fn stops_all(self) -> bool {
        matches!(self, Self::Unguarded | Self::Off)
    }

    /// Word for people in the journal: `written`, `due`, `spared`, `gone`, `denied`, `held` or
    /// `failed`.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::SparedByRuntime | Self::MovedOn | Self::Spared => "spared",
            Self::Barred | Self::Unguarded | Self::Off | Self::Denied => "denied",
            Self::Fleet => "held",
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
    /// The admission plugin that refused a write, in a phrase; `None` if none is known.
    pub refusal: Option<String>,
    /// Parts of the fleet budget that have no place for the Pod.
    pub closed: Vec<Closed>,
}

impl Ending {
    /// A report that ended because of an error or an answer.
    pub fn with(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self {
            outcome,
            detail: detail.into(),
            refusal: None,
            closed: Vec::new(),
        }
    }

    /// A report that found no place in the fleet budget.
    pub fn closed(closed: Vec<Closed>) -> Self {
        let why: Vec<&str> = closed.iter().map(|closed| closed.why.as_str()).collect();
        let detail = why.join("; ");
        Self {
            closed,
            ..Self::with(Outcome::Fleet, detail)
        }
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
    /// Returns the fate of the Pod with this UID, as a view of its name shows it. It is unknown while
    /// the API server still has the Pod as Pending.
    pub fn of(view: &PodView, uid: &str, image: &str) -> Self {
        match view {
            view if view.uid != uid => Self::Ended,
            view if view.has_started(image) => Self::Started,
            view if view.phase == Phase::Pending && !view.deleting => Self::Unknown,
            _ => Self::Ended,
        }
    }

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
    /// It may still stand.
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
