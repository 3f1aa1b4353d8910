use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Agent;
use super::judging::texts_of;
use crate::judge::{Latest, Moment, Reason};
use crate::text::Shown;

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
    /// What was counted against what is asked for; empty if nothing fails.
    #[serde(default)]
    pub counted: String,
    /// The brakes that hold it.
    #[serde(default)]
    pub held_by: Vec<String>,
    /// What has to happen next, and when.
    #[serde(default)]
    pub next: Vec<String>,
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
            warm_up_left: self.docket.brake.warm_up_until.since(now).as_secs(),
            budget_spent: self.docket.brake.spent(now),
            budget: self.docket.brake.rules.budget.pods,
            held: self
                .held()
                .into_iter()
                .map(|(brake, n)| (brake.to_owned(), n))
                .collect(),
            would_fail_then_started: self.wrong,
            state_kept: self.state.is_well(),
            pods: self
                .docket
                .latest
                .iter()
                .flat_map(|(uid, latest)| self.pod_status(uid, latest, now))
                .collect(),
            unrecognised: self.unrecognised.clone(),
        }
    }

    fn pod_status(&self, uid: &str, latest: &Latest, now: Moment) -> Vec<PodStatus> {
        let reasons = latest.reasons(now);
        let brakes = latest.brakes();
        let brakes = brakes.iter().filter_map(Reason::brake);
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
            reasons: texts_of(&reasons),
            error: String::new(),
            counted: String::new(),
            held_by: brakes.map(str::to_owned).collect(),
            next: self.next(latest, None, now),
        };
        let images = self
            .docket
            .ledger
            .pod(uid)
            .into_iter()
            .flat_map(|pod| &pod.images);
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
                    counted: counted(&reasons, image),
                    next: self.next(latest, Some(image), now),
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

/// What was counted of an image, against what is asked for.
fn counted(reasons: &[Reason], image: &str) -> String {
    let mut of_image = reasons
        .iter()
        .filter(|reason| reason.image() == Some(image));
    let measure = of_image.find_map(|reason| match reason {
        Reason::Reached { by, .. } => Some(by.to_string()),
        Reason::NotReached { by: Some(by), .. } => Some(by.to_string()),
        Reason::NotReached { by: None, .. } => Some("never a reason to fail the Pod".to_owned()),
        _ => None,
    });
    measure.unwrap_or_default()
}
