//! Answer to `pullwarden explain NAMESPACE/POD`.

use serde::{Deserialize, Serialize};

use super::facts::View;
use super::next::{NextStep, next};
use super::notes::notes;
use super::reason::{Decided, ReasonShown};
use crate::judge::{Cause, Class, ImageRecord, NodeMode, PodRecord, PodView, PullPolicy};
use crate::text::Shown;

/// Answer to `pullwarden explain` about one Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Namespace of the Pod.
    pub namespace: String,
    /// Name of the Pod.
    pub pod: String,
    /// UID of the Pod; null if it is not known.
    pub uid: Option<String>,
    /// Node that was asked; null if no agent answered.
    pub node: Option<String>,
    /// Mode of the node; null if no agent answered.
    pub mode: Option<NodeMode>,
    /// State of the Pod, as far as the agent knows it.
    pub known: Known,
    /// The same in a sentence.
    pub summary: String,
    /// Decision of the last verdict; null if there is none.
    pub decision: Option<Decided>,
    /// Reasons for it.
    pub reasons: Vec<ReasonShown>,
    /// Steps that have to happen next.
    pub next: Vec<NextStep>,
    /// Notes on the rules for the Pod, such as annotations that the agent ignores.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Images of the Pod that fail, or have failed.
    pub images: Vec<ImageExplained>,
}

/// State of a Pod, as far as the agent knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Known {
    /// It is being judged.
    Judged,
    /// The runtime holds it, and it is not judged at present.
    Settled,
    /// It was judged before: the node's log has it.
    Past,
    /// It was never seen.
    Never,
}

/// One image of a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageExplained {
    /// Image reference as in the Pod spec.
    pub image: String,
    /// Cause of the last failure.
    pub cause: Cause,
    /// Class of the cause.
    pub class: Class,
    /// Meaning of the cause, in a sentence.
    pub meaning: String,
    /// Failures that were counted.
    pub failures: u32,
    /// Streak of failures that `imagePullFailureCount` counts.
    pub streak: u32,
    /// Seconds since the first failure, or since the reason stands, as far as known.
    pub lasting_seconds: u64,
    /// Exemptions that apply to the image.
    pub spared: Vec<Exemption>,
    /// Text of the last error.
    pub error: String,
}

/// Exemption of a Pod, once, although the threshold is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exemption {
    /// The image is on the node by then.
    OnNode,
    /// The runtime can pull the image without credentials.
    PulledByRuntime,
    /// Another Pod of the node pulls the image meanwhile.
    PulledByAnother,
    /// Another Pod of the node has pulled the image already.
    PulledByAnotherAlready,
    /// None: the Pod was spared once.
    Used,
}

impl Exemption {
    /// Returns the words for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::OnNode => "once, if the image is on the node when the threshold is reached",
            Self::PulledByRuntime => "once, if the runtime can pull the image without credentials",
            Self::PulledByAnother => "once, if another Pod of this node pulls the image meanwhile",
            Self::PulledByAnotherAlready => {
                "once, because another Pod of this node has pulled the image meanwhile"
            }
            Self::Used => "not again: the Pod was spared once",
        }
    }
}

impl Explanation {
    /// Returns an explanation that says nothing more than this summary.
    pub fn bare(namespace: &str, pod: &str, known: Known, summary: String) -> Self {
        Self {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            uid: None,
            node: None,
            mode: None,
            known,
            summary,
            decision: None,
            reasons: Vec::new(),
            next: Vec::new(),
            notes: Vec::new(),
            images: Vec::new(),
        }
    }
}

/// Explains one Pod. `why_not` says why the node's Pod of this name is not judged, if it is not.
pub fn explain(
    view: &View<'_>,
    namespace: &str,
    pod: &str,
    why_not: Option<String>,
) -> Explanation {
    let is_named = |n: &str, p: &str| n == namespace && p == pod;
    let mut latest = view.judge.latest().iter();
    let judged = latest.find(|(_, latest)| is_named(&latest.view.namespace, &latest.view.name));
    let (known, summary) = match why_not {
        _ if judged.is_some() => (
            Known::Judged,
            "the Pod is Pending and is being judged".into(),
        ),
        Some(why) => {
            let summary = format!("the Pod is not judged at present: {why}");
            (Known::Settled, summary)
        }
        None if view.judge.policy().excludes(namespace) => {
            let summary = "the configuration excludes the Pod's namespace";
            (Known::Never, summary.to_owned())
        }
        None => {
            let summary = "the runtime of this node has no sandbox of this name: the Pod is on \
                another node, the kubelet has not started it yet, or it is gone \
                (see `kubectl get pod -o wide`)";
            (Known::Never, summary.to_owned())
        }
    };
    let mut out = Explanation::bare(namespace, pod, known, summary);
    out.node = Some(view.judge.policy().node.clone());
    out.mode = Some(view.judge.policy().mode);
    if let Some((uid, latest)) = judged {
        let reasons = latest.reasons(view.now);
        out.uid = Some(uid.clone());
        out.decision = Some(Decided::from(&latest.verdict.decision));
        out.reasons = reasons.iter().map(ReasonShown::from).collect();
        out.next = next(view, latest, None);
        out.notes = notes(view.judge.policy(), &latest.view);
    }
    // Of two Pods of one name the one that is judged is meant.
    let is_meant = |(uid, record): &(&str, &PodRecord)| match judged {
        Some((judged, _)) => *uid == judged,
        None => is_named(&record.namespace, &record.name),
    };
    if let Some((uid, record)) = view.judge.ledger().pods().find(is_meant) {
        let seen = judged.map(|(_, latest)| &latest.view);
        let images = record.images.iter();
        out.images = images
            .filter_map(|(image, record)| explain_image(view, image, record, seen))
            .collect();
        out.uid = Some(uid.to_owned());
    }
    out
}

fn explain_image(
    view: &View<'_>,
    image: &str,
    record: &ImageRecord,
    seen: Option<&PodView>,
) -> Option<ImageExplained> {
    let last = record.last.as_ref()?;
    let since = record.failing_since();
    Some(ImageExplained {
        image: Shown(image).to_string(),
        cause: last.cause,
        class: last.cause.class(),
        meaning: last.cause.meaning().to_owned(),
        failures: record.failures,
        streak: record.in_a_row,
        lasting_seconds: since.map_or(0, |since| view.now.since(since).as_secs()),
        spared: exemptions(view, image, record, seen),
        error: last.message.clone(),
    })
}

/// Returns the exemptions that apply to an image.
fn exemptions(
    view: &View<'_>,
    image: &str,
    record: &ImageRecord,
    seen: Option<&PodView>,
) -> Vec<Exemption> {
    if record.spared {
        return vec![Exemption::Used];
    }
    // Without attempts nothing can be said of what can be pulled.
    if record.standing.is_some() {
        return Vec::new();
    }
    let containers = seen.into_iter().flat_map(|seen| &seen.containers);
    let containers = containers.filter(|container| container.image == image);
    let mut pulls = containers.map(|container| container.pull_policy);
    let mut exemptions = Vec::new();
    if pulls.clone().all(|p| p == PullPolicy::IfNotPresent) {
        exemptions.push(Exemption::OnNode);
    }
    if view.judge.policy().switches.second_opinion && pulls.all(|p| p != PullPolicy::Never) {
        exemptions.push(Exemption::PulledByRuntime);
    }
    exemptions.push(match record.sibling {
        true => Exemption::PulledByAnotherAlready,
        false => Exemption::PulledByAnother,
    });
    exemptions
}
