//! The request to fail a Pod.

use std::time::Duration;

use super::subject::Subject;
use crate::judge::{Cause, ImageRecord, PodId, PullPolicy};

/// Request to fail a Pod: all that the report needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailRequest {
    /// The Pod.
    pub pod: PodId,
    /// Reference of the image that cannot be pulled.
    pub image: String,
    /// Cause of the last failure.
    pub cause: Cause,
    /// Number of failed attempts that were counted; zero for a standing reason.
    pub failures: u32,
    /// Time since the first of them, or since the reason stands, as far as known.
    pub lasting: Duration,
    /// The last error.
    pub error: String,
    /// True if the Pod may be written to. Otherwise an Event says that the Pod would have been
    /// failed.
    pub enforce: bool,
    /// True if another Pod of the same owner was failed for the image within the last hour.
    pub known_bad: bool,
    /// Questions before anything is written.
    pub asks: Asks,
    /// The runtime's answer, if it was asked.
    pub opinion: Option<String>,
}

/// Questions before anything is written: to the node's runtime, and to the API server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// True if the Pod is skipped should the image turn out to be on the node.
    pub is_present: bool,
    /// True if the runtime is to be asked to pull the image.
    pub pull: bool,
    /// True if the API server is to be asked, by a dry run, whether it would take the second write: it
    /// has denied one about this Pod or another. Else the first write may have to be reverted.
    pub second_write: bool,
}

impl FailRequest {
    /// Returns the request to fail a Pod for one of its images. `pulls` are the pull policies of
    /// the containers that wait for the image.
    pub(super) fn new(
        subject: Subject<'_>,
        image: &str,
        record: &ImageRecord,
        pulls: &[PullPolicy],
        known_bad: bool,
    ) -> Self {
        let Subject {
            view,
            policy,
            rules,
            now,
        } = subject;
        let error = record.last.as_ref();
        let all = |is: fn(PullPolicy) -> bool| pulls.iter().all(|policy| is(*policy));
        // A standing reason makes no attempts, so an image that is present or can be pulled does
        // not matter.
        let asks = record.standing.is_none() && !record.spared;
        let since = record.failing_since();
        Self {
            pod: view.id(),
            image: image.to_owned(),
            cause: error.map_or(Cause::Unrecognised, |last| last.cause),
            failures: record.failures,
            lasting: since.map_or(Duration::ZERO, |since| now.since(since)),
            error: error.map(|last| last.message.clone()).unwrap_or_default(),
            enforce: rules.enforce(),
            known_bad,
            asks: Asks {
                // An image that is on the node was pulled since the other Pod was failed.
                is_present: asks && (known_bad || all(|policy| policy == PullPolicy::IfNotPresent)),
                pull: asks
                    && policy.switches.second_opinion
                    && rules.enforce()
                    && all(|policy| policy != PullPolicy::Never),
                second_write: false,
            },
            opinion: None,
        }
    }
}
