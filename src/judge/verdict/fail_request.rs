//! The request to fail a Pod.

use std::time::Duration;

use super::subject::Subject;
use crate::judge::{Cause, ImageRecord, PullPolicy};

/// Request to fail a Pod: all that the report needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condemned {
    /// The Pod's UID.
    pub uid: String,
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod's name.
    pub name: String,
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
    /// True if the Pod is skipped should the image turn out to be on the node.
    pub spare_if_present: bool,
    /// True if the runtime is to be asked to pull the image first.
    pub second_opinion: bool,
    /// The runtime's answer, if it was asked.
    pub opinion: Option<String>,
}

impl Condemned {
    /// Returns the request to fail a Pod for one of its images. `pulls` are the pull policies of
    /// the containers that wait for the image.
    pub(super) fn new(
        subject: Subject<'_>,
        image: &str,
        record: &ImageRecord,
        pulls: &[PullPolicy],
    ) -> Self {
        let Subject {
            view,
            policy,
            footing,
            now,
        } = subject;
        let error = record.last.as_ref();
        let all = |is: fn(PullPolicy) -> bool| pulls.iter().all(|policy| is(*policy));
        // A standing reason makes no attempts, so an image that is present or can be pulled does
        // not matter.
        let asks = record.standing.is_none() && !record.spared;
        let since = record.failing_since();
        Self {
            uid: view.uid.clone(),
            namespace: view.namespace.clone(),
            name: view.name.clone(),
            image: image.to_owned(),
            cause: error.map_or(Cause::Unrecognised, |last| last.cause),
            failures: record.failures,
            lasting: since.map_or(Duration::ZERO, |since| now.since(since)),
            error: error.map(|last| last.message.clone()).unwrap_or_default(),
            enforce: footing.enforce,
            spare_if_present: asks && all(|policy| policy == PullPolicy::IfNotPresent),
            second_opinion: asks
                && policy.second_opinion
                && footing.enforce
                && all(|policy| policy != PullPolicy::Never),
            opinion: None,
        }
    }

    /// Returns a request that only names a Pod, for a report that does not fail it.
    pub fn nobody(uid: &str, namespace: &str, name: &str) -> Self {
        Self {
            uid: uid.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            image: String::new(),
            cause: Cause::Unrecognised,
            failures: 0,
            lasting: Duration::ZERO,
            error: String::new(),
            enforce: true,
            spare_if_present: false,
            second_opinion: false,
            opinion: None,
        }
    }
}
