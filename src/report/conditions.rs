//! Our two conditions on a Pod, and the entries of the patch that sets them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::message::message;
use crate::evidence::Pod;
use crate::judge::{FailRequest, Policy};
use crate::pod_fields::{CONDITION, CONDITION_UNAVAILABLE};

/// Our conditions, each true if it is True.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ours {
    /// [`CONDITION`].
    failed: bool,
    /// [`CONDITION_UNAVAILABLE`].
    unavailable: bool,
}

impl Ours {
    /// No condition of ours is True.
    const NONE: Self = Self {
        failed: false,
        unavailable: false,
    };

    /// Returns our conditions as they are on a Pod.
    pub(super) fn on(pod: &Pod) -> Self {
        Self {
            failed: pod.is_true(CONDITION),
            unavailable: pod.is_true(CONDITION_UNAVAILABLE),
        }
    }

    /// Returns our conditions as they are on a Pod that is failed by this request and policy.
    pub(super) fn wanted(request: &FailRequest, policy: &Policy) -> Self {
        let mirrors = &policy.behind_mirror;
        Self {
            failed: true,
            unavailable: mirrors.fails_everywhere(&request.image, request.cause),
        }
    }

    /// Returns the entries of the patch that makes these conditions those that are wanted.
    pub(super) fn failed(self, wanted: Self, request: &FailRequest, at: Timestamp) -> Vec<Value> {
        self.entries(wanted, request.cause.as_str(), &message(request), at)
    }

    /// Returns the entries of the patch that reverts these conditions.
    pub(super) fn reverted(self, at: Timestamp) -> Vec<Value> {
        let why = "the Pod was not failed after all";
        self.entries(Self::NONE, "NotFailed", why, at)
    }

    /// Returns an entry for each condition that is to be True, or is True and is to be False. A
    /// condition that was never set is not set to False: it would say nothing.
    fn entries(self, wanted: Self, reason: &str, message: &str, at: Timestamp) -> Vec<Value> {
        let all = [
            (CONDITION, self.failed, wanted.failed),
            (CONDITION_UNAVAILABLE, self.unavailable, wanted.unavailable),
        ];
        let written = all.into_iter().filter(|(_, is, to_be)| *is || *to_be);
        let entry = |(kind, _, to_be)| {
            json!({
                "type": kind,
                "status": if to_be { "True" } else { "False" },
                "reason": reason,
                "message": message,
                "lastTransitionTime": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            })
        };
        written.map(entry).collect()
    }
}
