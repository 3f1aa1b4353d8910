//! The verdict on one Pod.

use std::mem::discriminant;
use std::time::Duration;

use super::fail_request::FailRequest;
use super::reason::Reason;
use crate::judge::{Moment, Observed, Progress};

/// Decision about one Pod, and every reason for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// Reasons for the decision, and against any stronger one. Never empty.
    pub reasons: Vec<Reason>,
    /// News that the view brought.
    pub observed: Observed,
}

/// Decision about a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is nothing (left) to judge: stop watching the Pod.
    Settle,
    /// No threshold is reached: keep watching.
    Wait,
    /// A threshold is reached, but a brake holds the verdict until the next failure.
    Hold,
    /// Fail the Pod, or, in mode observe, announce it.
    Fail(Box<FailRequest>),
}

/// Interval at which a Pod that was skipped once is judged again.
const AGAIN: Duration = Duration::from_secs(10);

impl Verdict {
    /// Returns a verdict that stands for one that is not known. The next one is news.
    pub(in crate::judge) fn unknown() -> Self {
        Self {
            decision: Decision::Wait,
            reasons: Vec::new(),
            observed: Observed::default(),
        }
    }

    /// Returns true if another verdict says the same as this one: the same decision, for reasons of
    /// the same kinds. A decision to fail the Pod always is news.
    pub fn is_like(&self, other: &Self) -> bool {
        let decides_to_fail = matches!(other.decision, Decision::Fail(_));
        let kind = |reason: &Reason| (discriminant(reason), reason.brake());
        !decides_to_fail
            && self.decision.as_str() == other.decision.as_str()
            && self
                .reasons
                .iter()
                .map(kind)
                .eq(other.reasons.iter().map(kind))
    }

    /// Returns when the clock alone may bring another verdict: at once if it is past, `None` if it
    /// cannot.
    pub fn next_by_clock(&self, now: Moment) -> Option<Moment> {
        let after = |reason: &Reason| match reason {
            Reason::NotReached {
                by: Some(Progress::Standing { lasting, minimum }),
                ..
            } => Some(minimum.saturating_sub(*lasting)),
            Reason::Held(hold) => hold.ends_by_clock(),
            Reason::PulledByAnother { .. } => Some(AGAIN),
            _ => None,
        };
        let soonest = self.reasons.iter().filter_map(after).min();
        soonest.map(|after| now.after(after))
    }
}

impl Decision {
    /// Word for [`Decision::Fail`] in logs and metrics.
    pub const FAIL: &str = "condemn";

    /// Returns the word used in logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Settle => "settle",
            Self::Wait => "wait",
            Self::Hold => "hold",
            Self::Fail(_) => Self::FAIL,
        }
    }
}
