//! Answer to `pullwarden status`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::facts::{EvidenceState, GuardTried, Unrecognised, View};
use super::next::{NextStep, next};
use super::reason::{Decided, ReasonShown};
use super::totals::held;
use crate::judge::{self, Cause, Class, ImageRecord, Latest, Moment, NodeMode, Reason, Source};
use crate::text::Shown;

/// Answer to `pullwarden status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Version of the agent.
    pub version: String,
    /// Node that it runs on.
    pub node: String,
    /// Mode of the node.
    pub mode: NodeMode,
    /// Faults of the changed configuration file; null if the file is in force.
    pub configuration_refused: Option<String>,
    /// Outcome of the dry run that the API server must deny before anything is written.
    pub guard_tried: GuardTried,
    /// True if the container runtime answers.
    pub runtime: bool,
    /// Polls of the runtime since the agent started.
    pub polls: u64,
    /// State of the evidence.
    pub evidence: EvidenceState,
    /// Source that is open; null if none is.
    pub evidence_source: Option<Source>,
    /// Pods that the runtime holds.
    pub sandboxes: usize,
    /// Those of them that may be waiting for an image.
    pub unsettled: usize,
    /// Seconds that are left of the warm-up, in which no Pod is failed.
    pub warm_up_left_seconds: u64,
    /// Pods failed within the budget's time.
    pub budget_spent: usize,
    /// Pods that may be failed within it.
    pub budget: u32,
    /// State of the fleet budget, as far as this agent knows it.
    pub fleet_budget: FleetBudget,
    /// Reason why the agent writes to no Pod; null if nothing stopped its last report.
    pub writes_stopped: Option<String>,
    /// Pods that each brake holds, by its name.
    pub held: BTreeMap<String, usize>,
    /// Pods that would have been failed and started after all, since the agent started.
    pub would_fail_then_started: u64,
    /// True if the counts are kept on disk.
    pub state_kept: bool,
    /// Pods that are being judged; one entry for each image that fails.
    pub pods: Vec<PodStatus>,
    /// Errors that this version does not recognise, the latest last: worth reporting.
    pub unrecognised: Vec<Unrecognised>,
}

/// State of the fleet budget, as far as one agent knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetBudget {
    /// False with `fleetBudget.enabled: off`.
    pub enabled: bool,
    /// Limits that are reached at present.
    pub spent: Vec<SpentLimit>,
    /// Reason why the ConfigMap could not be used at the last try; null if it could.
    pub unusable: Option<String>,
}

/// Limit of the fleet budget that is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpentLimit {
    /// The limit in words.
    pub text: String,
    /// Seconds until this agent asks again.
    pub left_seconds: u64,
}

/// One Pod, and one of its images that fail, if any does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// Namespace of the Pod.
    pub namespace: String,
    /// Name of the Pod.
    pub pod: String,
    /// UID of the Pod.
    pub uid: String,
    /// Image that fails; its fields are absent if none does.
    #[serde(flatten)]
    pub failing: Option<FailingImage>,
    /// Decision of the last verdict.
    pub decision: Decided,
    /// Reasons for it.
    pub reasons: Vec<ReasonShown>,
    /// Names of the brakes that hold the Pod.
    pub held_by: Vec<String>,
    /// Steps that have to happen next.
    pub next: Vec<NextStep>,
}

/// Image whose pulls fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailingImage {
    /// Image reference as in the Pod spec.
    pub image: String,
    /// Cause of the last failure.
    pub cause: Cause,
    /// Class of the cause.
    pub class: Class,
    /// Failures that were counted.
    pub failures: u32,
    /// Seconds since the first of them, as far as known.
    pub lasting_seconds: u64,
    /// Progress towards the threshold; null while it does not matter, as for a Pod that was failed.
    pub counted: Option<Counted>,
    /// Text of the last error.
    pub error: String,
}

/// Progress towards a threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Values.
    #[serde(flatten)]
    pub progress: Progress,
    /// The same in words.
    pub text: String,
}

/// Values of the progress towards a threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Progress {
    /// Failures against `imagePullFailureCount`.
    FailureCount {
        /// Streak of failures.
        have: u32,
        /// Failures that are needed.
        need: u32,
    },
    /// Failures, and their duration, against the threshold of a class.
    Threshold {
        /// Class of the threshold.
        class: Class,
        /// Streak of failures.
        have: u32,
        /// Failures that are needed.
        need: u32,
        /// Seconds since the first failure of the streak.
        lasting_seconds: u64,
        /// Minimum duration in seconds.
        minimum_seconds: u64,
    },
    /// Duration of a waiting reason under which the kubelet tries no pull.
    Standing {
        /// Seconds since it was first reported.
        lasting_seconds: u64,
        /// Minimum duration in seconds.
        minimum_seconds: u64,
    },
    /// Another Pod of the same owner was failed for the image.
    KnownBad {
        /// Name of that Pod.
        pod: String,
        /// Seconds since it was failed.
        ago_seconds: u64,
    },
    /// The cause is never a reason to fail a Pod.
    Never,
}

impl Counted {
    /// Returns the progress of an image, if one of the reasons has it.
    fn of(reasons: &[Reason], image: &str) -> Option<Self> {
        let mut of_image = reasons.iter().filter(|r| r.image() == Some(image));
        of_image.find_map(|reason| match reason {
            Reason::Reached { by, .. } | Reason::NotReached { by: Some(by), .. } => Some(Self {
                progress: by.into(),
                text: by.to_string(),
            }),
            Reason::NotReached { by: None, .. } => Some(Self {
                progress: Progress::Never,
                text: "never a reason to fail the Pod".to_owned(),
            }),
            _ => None,
        })
    }
}

impl From<&judge::Progress> for Progress {
    fn from(progress: &judge::Progress) -> Self {
        match progress {
            judge::Progress::Count { have, need } => Self::FailureCount {
                have: *have,
                need: need.get(),
            },
            judge::Progress::Class {
                class,
                have,
                need,
                lasting,
                minimum,
            } => Self::Threshold {
                class: *class,
                have: *have,
                need: need.get(),
                lasting_seconds: lasting.as_secs(),
                minimum_seconds: minimum.as_secs(),
            },
            judge::Progress::Standing { lasting, minimum } => Self::Standing {
                lasting_seconds: lasting.as_secs(),
                minimum_seconds: minimum.as_secs(),
            },
            judge::Progress::KnownBad { pod, ago } => Self::KnownBad {
                pod: pod.clone(),
                ago_seconds: ago.as_secs(),
            },
        }
    }
}

/// Returns what `pullwarden status` shows.
pub fn status(view: &View<'_>) -> Status {
    let (facts, brake) = (view.facts, view.judge.brake());
    let latest = view.judge.latest().iter();
    let held = held(view.judge).into_iter();
    let stop = brake.memory.stopped.last(view.now);
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: view.judge.policy().node.clone(),
        mode: view.judge.policy().mode,
        configuration_refused: facts.configuration_refused.clone(),
        guard_tried: facts.guard_tried,
        runtime: facts.runtime,
        polls: facts.polls,
        evidence: facts.evidence,
        evidence_source: facts.evidence_source,
        sandboxes: facts.sandboxes,
        unsettled: facts.unsettled,
        warm_up_left_seconds: brake.warm_up_until.since(view.now).as_secs(),
        budget_spent: brake.spent(view.now),
        budget: brake.rules.budget.pods,
        fleet_budget: fleet_budget(view),
        writes_stopped: stop.map(|stop| stop.why.clone()),
        held: held.map(|(brake, n)| (brake.to_owned(), n)).collect(),
        would_fail_then_started: facts.would_fail_then_started,
        state_kept: facts.state_kept,
        pods: latest
            .flat_map(|(uid, latest)| pod_status(view, uid, latest))
            .collect(),
        unrecognised: view.unrecognised.to_vec(),
    }
}

/// Returns the state of the fleet budget.
fn fleet_budget(view: &View<'_>) -> FleetBudget {
    let memory = &view.judge.brake().memory.fleet;
    let spent = memory.spent(view.now).map(|shut| SpentLimit {
        text: shut.part.why.clone(),
        left_seconds: shut.until.since(view.now).as_secs(),
    });
    FleetBudget {
        enabled: view.judge.policy().fleet.is_some(),
        spent: spent.collect(),
        unusable: memory.unusable(view.now).map(|shut| shut.part.why.clone()),
    }
}

/// Returns an entry for each image of a Pod that fails; one without an image if none does.
fn pod_status(view: &View<'_>, uid: &str, latest: &Latest) -> Vec<PodStatus> {
    let reasons = latest.reasons(view.now);
    let brakes = latest.brakes();
    let entry = |image: Option<&str>, failing, next| PodStatus {
        namespace: latest.view.namespace.clone(),
        pod: latest.view.name.clone(),
        uid: uid.to_owned(),
        failing,
        decision: Decided::from(&latest.verdict.decision),
        reasons: reasons
            .iter()
            .filter(|reason| reason.concerns(image))
            .map(ReasonShown::from)
            .collect(),
        held_by: brakes
            .iter()
            .filter_map(Reason::brake)
            .map(str::to_owned)
            .collect(),
        next,
    };
    let record = view.judge.ledger().pod(uid).into_iter();
    let entries = record
        .flat_map(|pod| &pod.images)
        .filter_map(|(image, record)| {
            let failing = failing(image, record, &reasons, view.now)?;
            let next = next(view, latest, Some(image));
            Some(entry(Some(image), Some(failing), next))
        });
    let entries: Vec<PodStatus> = entries.collect();
    match entries.is_empty() {
        true => vec![entry(None, None, next(view, latest, None))],
        false => entries,
    }
}

/// Returns what is known of an image's failures; `None` if none was reported.
fn failing(
    image: &str,
    record: &ImageRecord,
    reasons: &[Reason],
    now: Moment,
) -> Option<FailingImage> {
    let last = record.last.as_ref()?;
    let since = record.failing_since();
    Some(FailingImage {
        image: Shown(image).to_string(),
        cause: last.cause,
        class: last.cause.class(),
        failures: record.failures,
        lasting_seconds: since.map_or(0, |since| now.since(since).as_secs()),
        counted: Counted::of(reasons, image),
        error: last.message.clone(),
    })
}
