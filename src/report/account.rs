//! Result of a report on a Pod, for the judge, the log and the metrics.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::evidence::Requests;
use crate::judge::{Action, Ending};

/// Result of a report.
#[derive(Debug)]
pub struct Account {
    /// End of the report.
    pub ending: Ending,
    /// One of our conditions may be True; `None` if that is not known.
    pub marked: Option<bool>,
    /// Resources that the Pod requested at the last check.
    pub requests: Requests,
    /// Owners that may get an Event about the Pod.
    pub owners: Vec<OwnerReference>,
    /// Each request.
    pub trace: Vec<Trace>,
}

impl Account {
    /// Returns how the Pod was ended: by the last write of the report, or as configured if an earlier report ended it.
    pub fn action(&self, configured: Action) -> Action {
        let action = |request: &Trace| match request.step {
            Step::Deadline => Some(Action::Fail),
            Step::Delete => Some(Action::Delete),
            _ => None,
        };
        self.trace
            .iter()
            .rev()
            .find_map(action)
            .unwrap_or(configured)
    }
}

impl From<Ending> for Account {
    /// It ended so before anything was asked.
    fn from(ending: Ending) -> Self {
        Self {
            ending,
            marked: None,
            requests: Requests::default(),
            owners: Vec::new(),
            trace: Vec::new(),
        }
    }
}

/// One request of a report, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Kind of the request.
    pub step: Step,
    /// `ok`, or the error.
    pub result: String,
    /// The pause that the API server asks for (`Retry-After`).
    pub asked: Option<Duration>,
}

/// The pause that the API server asks for in its last answer.
pub fn asked_last(trace: &[Trace]) -> Option<Duration> {
    trace.last().and_then(|request| request.asked)
}

/// Returns whether the Pod may have been deleted by one of these requests.
pub(super) fn has_deleted(trace: &[Trace]) -> bool {
    trace.iter().any(|request| request.step == Step::Delete)
}

/// A request of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The Pod is read afresh.
    Look,
    /// The second write is tried as a dry run.
    DryRun,
    /// The conditions are set, one at least to True.
    Condition,
    /// The deadline and the annotation are set.
    Deadline,
    /// The Pod is deleted.
    Delete,
    /// The conditions are set to False again.
    TakeBack,
    /// The object of the fleet budget is read.
    FleetRead,
    /// The Pod's token is entered there.
    FleetEnter,
}

impl Step {
    /// The name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::DryRun => "dry-run",
            Self::Condition => "condition",
            Self::Deadline => "deadline",
            Self::Delete => "delete",
            Self::TakeBack => "take-back",
            Self::FleetRead => "fleet-read",
            Self::FleetEnter => "fleet-enter",
        }
    }
}
