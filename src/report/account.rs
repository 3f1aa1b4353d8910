//! What a report on a Pod has come to, for the judge, the log and the metrics.

use crate::evidence::Requests;
use crate::judge::{Outcome, Reason};

/// How the report on a Pod ended.
#[derive(Debug)]
pub enum Ending {
    /// Both writes were made: the kubelet ends the Pod.
    Written,
    /// Observing: the last look found the Pod as it was condemned.
    Due,
    /// The Pod is not to be failed (any more).
    Spared(Reason),
    /// The Pod is gone.
    Gone,
    /// The API server, or a policy of it, forbids the write: it would again, so it is not tried again by itself.
    Denied(Denial),
    /// It could not be done; the Pod is left for its next failure.
    Failed(String),
}

impl Ending {
    /// The name in the node's log.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Due => "due",
            Self::Spared(_) => "spared",
            Self::Gone => "gone",
            Self::Denied(_) => "denied",
            Self::Failed(_) => "failed",
        }
    }

    /// What that means for judging the Pod again.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Written => Outcome::Written,
            Self::Due => Outcome::Due,
            Self::Gone => Outcome::Gone,
            Self::Denied(Denial {
                scope: Scope::Pod, ..
            }) => Outcome::Denied,
            Self::Denied(_) | Self::Failed(_) => Outcome::Refused,
            Self::Spared(
                Reason::OnNode { .. }
                | Reason::PulledByRuntime { .. }
                | Reason::StillPulling { .. },
            ) => Outcome::SparedByRuntime,
            Self::Spared(
                Reason::NotPending
                | Reason::NotWaitingForImage { .. }
                | Reason::NoFailureYet { .. },
            ) => Outcome::MovedOn,
            Self::Spared(_) => Outcome::Spared,
        }
    }

    /// Why it ended that way; empty where the name says it all.
    pub fn detail(&self) -> String {
        match self {
            Self::Written | Self::Due => String::new(),
            Self::Gone => "the Pod is gone".to_owned(),
            Self::Spared(reason) => reason.to_string(),
            Self::Denied(denial) => denial.why.clone(),
            Self::Failed(why) => why.clone(),
        }
    }
}

/// A write that is forbidden. Nothing of it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What else is forbidden for the same reason.
    pub scope: Scope,
    /// The API server's words.
    pub why: String,
}

/// How much of what the agent writes is forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This write. Other Pods may be failed all the same.
    Pod,
    /// Every write of this agent at present: it is not proved to be held to its node, or all writes are switched off.
    Agent,
}

/// What a report has come to.
#[derive(Debug)]
pub struct Account {
    /// How it ended.
    pub ending: Ending,
    /// Whether the condition may be standing; `None` if that was not found out.
    pub marked: Option<bool>,
    /// What the Pod asked for when it was looked at last.
    pub requests: Requests,
    /// Each request.
    pub trace: Vec<Trace>,
}

impl From<Ending> for Account {
    /// It ended so before anything was asked.
    fn from(ending: Ending) -> Self {
        Self {
            ending,
            marked: None,
            requests: Requests::default(),
            trace: Vec::new(),
        }
    }
}

/// One request of a report, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Which.
    pub step: Step,
    /// `ok`, or the error.
    pub result: String,
}

/// A request of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The Pod is read afresh.
    Look,
    /// The condition is set to True.
    Condition,
    /// The deadline and the annotation are set.
    Deadline,
    /// The Pod is deleted.
    Delete,
    /// The condition is set to False again.
    TakeBack,
}

impl Step {
    /// The name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Condition => "condition",
            Self::Deadline => "deadline",
            Self::Delete => "delete",
            Self::TakeBack => "take-back",
        }
    }
}

/// What became of a Pod that left Pending without us.
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
    /// The word in the node's log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ended => "ended",
            Self::Unknown => "unknown",
        }
    }
}
