use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Agent;
use crate::judge::{Reason, Shown};

/// What `pullwarden status` shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The agent's version.
    pub version: String,
    /// The node it runs on.
    pub node: String,
    /// The node's mode.
    pub mode: String,
    /// What is wrong with the configuration's file as it is now; empty if it is in force.
    pub configuration_refused: String,
    /// Whether it was tried that the API server holds the agent to its own node: `yes`, `not yet`, or `no` where it does not run in a Pod.
    pub guard_tried: String,
    /// Whether the container runtime answers.
    pub runtime: bool,
    /// Looks at the runtime since the agent started.
    pub looks: u64,
    /// `closed`, `open` or `lost`.
    pub evidence: String,
    /// `kubelet` or `apiserver`, whichever is open; empty if none is.
    pub evidence_source: String,
    /// Pods that the runtime holds.
    pub sandboxes: usize,
    /// Those of them that may be waiting for an image.
    pub unsettled: usize,
    /// Seconds of watching only that are left.
    pub warm_up_left: u64,
    /// Pods failed within the budget's time.
    pub budget_spent: usize,
    /// Pods that may be failed within it.
    pub budget: u32,
    /// Pods whose time has come, by the brake that holds them.
    pub held: BTreeMap<String, usize>,
    /// Pods that would have been failed and started after all, since the agent started.
    pub would_fail_then_started: u64,
    /// Whether the counts are kept on disk.
    pub state_kept: bool,
    /// The Pods that are being judged.
    pub pods: Vec<PodStatus>,
    /// Errors that this version does not know, the latest last: worth reporting.
    pub unrecognised: Vec<Unrecognised>,
}

/// An error that this version does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrecognised {
    /// Its text.
    pub message: String,
    /// How often it was counted since the agent started.
    pub count: u64,
}

/// One Pod, and one of its images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod's name.
    pub pod: String,
    /// The Pod's UID.
    pub uid: String,
    /// The image that fails; empty if none does.
    pub image: String,
    /// Why; empty if nothing fails.
    pub cause: String,
    /// The cause's class; empty if nothing fails.
    pub class: String,
    /// Failures that were counted.
    pub failures: u32,
    /// Seconds since the first of them, as far as known.
    pub lasting: u64,
    /// The last verdict.
    pub decision: String,
    /// Why it was that.
    pub reasons: Vec<String>,
    /// The last error.
    pub error: String,
}

impl Agent {
    pub(super) fn status(&self) -> Status {
        let now = self.clock.now();
        let evidence = match (&self.evidence, self.evidence_well) {
            (_, false) => "lost",
            (None, true) => "closed",
            (Some(_), true) => "open",
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node: self.config.policy.node.clone(),
            mode: self.config.policy.mode.as_str().to_owned(),
            configuration_refused: self.refused.clone().unwrap_or_default(),
            guard_tried: match self.guard.is_known() {
                None => "no",
                Some(false) => "not yet",
                Some(true) => "yes",
            }
            .to_owned(),
            runtime: self.runtime_well,
            looks: self.metrics.runtime_looks.get(),
            evidence: evidence.to_owned(),
            evidence_source: self
                .evidence
                .as_ref()
                .map_or(String::new(), |open| open.source.as_str().to_owned()),
            sandboxes: self.sandboxes.uids().count(),
            unsettled: self.sandboxes.unsettled(),
            warm_up_left: self.brake.warm_up_until.since(now).as_secs(),
            budget_spent: self.brake.spent(now),
            budget: self.brake.rules.budget.pods,
            held: self
                .held()
                .into_iter()
                .map(|(brake, n)| (brake.to_owned(), n))
                .collect(),
            would_fail_then_started: self.wrong,
            state_kept: self.state.is_well(),
            pods: self
                .latest
                .keys()
                .flat_map(|uid| self.pod_status(uid))
                .collect(),
            unrecognised: self.unrecognised.clone(),
        }
    }

    fn pod_status(&self, uid: &str) -> Vec<PodStatus> {
        let Some(latest) = self.latest.get(uid) else {
            return Vec::new();
        };
        let now = self.clock.now();
        let bare = PodStatus {
            namespace: latest.view.namespace.clone(),
            pod: latest.view.name.clone(),
            uid: uid.to_owned(),
            image: String::new(),
            cause: String::new(),
            class: String::new(),
            failures: 0,
            lasting: 0,
            decision: latest.verdict.decision.as_str().to_owned(),
            reasons: latest
                .verdict
                .reasons
                .iter()
                .map(Reason::to_string)
                .collect(),
            error: String::new(),
        };
        let images = self.ledger.pod(uid).into_iter().flat_map(|pod| &pod.images);
        let failing: Vec<PodStatus> = images
            .filter_map(|(image, record)| {
                let last = record.last.as_ref()?;
                let since = record.failing_since();
                Some(PodStatus {
                    image: Shown(image).to_string(),
                    cause: last.cause.to_string(),
                    class: last.cause.class().to_string(),
                    failures: record.failures,
                    lasting: since.map_or(0, |since| now.since(since).as_secs()),
                    error: last.message.clone(),
                    ..bare.clone()
                })
            })
            .collect();
        if failing.is_empty() {
            vec![bare]
        } else {
            failing
        }
    }
}
