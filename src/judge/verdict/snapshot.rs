//! The cause of each failing image of a Pod, from one report alone. A survey has no counts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::progress::progress;
use super::reason::Reason;
use super::subject::Subject;
use crate::judge::{LastError, Ledger, Moment, PodRules, PodView, Policy, Progress};

/// Findings about a Pod from one report.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Rules for the Pod, or the reason why it is not judged.
    pub rules: Result<PodRules, Reason>,
    /// Images that cannot be pulled, by their references.
    pub images: BTreeMap<String, Failing>,
}

/// An image that cannot be pulled.
#[derive(Clone, Debug)]
pub struct Failing {
    /// The error that was reported.
    pub error: LastError,
    /// Threshold for the error; `None` if it never fails the Pod, or the Pod is not judged.
    pub threshold: Option<Progress>,
}

impl Snapshot {
    /// Reads a view as the agent reads the first report of a Pod: the counts that would follow from
    /// it say which images fail, and why.
    pub fn of(view: &PodView, policy: &Policy) -> Self {
        let now = Moment::new(Duration::ZERO);
        let mut ledger = Ledger::default();
        ledger.observe(view, &policy.behind_mirror, now);
        let rules = policy.rules_for(view);
        let records = ledger.pod(&view.uid).into_iter();
        let failing = records
            .flat_map(|pod| &pod.images)
            .filter_map(|(image, record)| {
                let threshold = rules.as_ref().ok().and_then(|rules| {
                    let subject = Subject {
                        view,
                        policy,
                        rules,
                        now,
                    };
                    progress(subject, image, record)
                });
                let error = record.last.clone()?;
                Some((image.clone(), Failing { error, threshold }))
            });
        Self {
            images: failing.collect(),
            rules,
        }
    }
}
