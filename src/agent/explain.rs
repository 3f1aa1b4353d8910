use serde::{Deserialize, Serialize};

use super::Agent;
use super::judging::texts_of;
use crate::judge::{ImageRecord, PodRecord, PodView, PullPolicy};
use crate::text::Shown;

/// What `pullwarden explain` says about one Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod's name.
    pub pod: String,
    /// The Pod's UID; empty if it is not known.
    pub uid: String,
    /// The node that was asked.
    pub node: String,
    /// The node's mode.
    pub mode: String,
    /// What the agent knows of the Pod.
    pub known: Known,
    /// That, in a sentence.
    pub summary: String,
    /// The last verdict; empty if there is none.
    pub decision: String,
    /// Why it was that.
    pub reasons: Vec<String>,
    /// What has to happen next, and when.
    pub next: Vec<String>,
    /// Its images that fail, or have failed.
    pub images: Vec<ImageExplained>,
    /// What the node's log has about it, the oldest first.
    pub history: Vec<String>,
}

/// What the agent knows of a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Known {
    /// It is being judged.
    Judged,
    /// The runtime holds it, and it is not judged at present.
    Settled,
    /// It was seen before: the node's log tells of it.
    Past,
    /// It was never seen.
    Never,
}

/// One image of a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageExplained {
    /// The reference as the Pod has it.
    pub image: String,
    /// Why its last pull failed.
    pub cause: String,
    /// The cause's class.
    pub class: String,
    /// What the cause means.
    pub meaning: String,
    /// Failures that were counted.
    pub failures: u32,
    /// Those in a row that `imagePullFailureCount` counts.
    pub in_a_row: u32,
    /// Seconds since the first of them, or since the reason stands, as far as known.
    pub lasting: u64,
    /// What would spare it once its time has come, or has spared it.
    pub spared: Vec<String>,
    /// The last error.
    pub error: String,
}

impl Agent {
    pub(super) fn explain(&self, namespace: &str, pod: &str) -> Explanation {
        let named = |n: &str, p: &str| n == namespace && p == pod;
        let mut out = Explanation {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            uid: String::new(),
            node: self.config.policy.node.clone(),
            mode: self.config.policy.mode.as_str().to_owned(),
            known: Known::Never,
            summary: String::new(),
            decision: String::new(),
            reasons: Vec::new(),
            next: Vec::new(),
            images: Vec::new(),
            history: Vec::new(),
        };
        let judged = self
            .docket
            .latest
            .iter()
            .find(|(_, l)| named(&l.view.namespace, &l.view.name));
        if let Some((uid, latest)) = judged {
            let now = self.clock.now();
            out.known = Known::Judged;
            out.summary = "it is Pending and being judged".to_owned();
            out.decision = latest.verdict.decision.as_str().to_owned();
            out.reasons = texts_of(&latest.reasons(now));
            out.next = self.next(latest, None, now);
            out.uid.clone_from(uid);
        } else if let Some(why) = self.sandboxes.why_not(namespace, pod) {
            out.known = Known::Settled;
            out.summary = format!("it is not judged at present: {why}");
        } else {
            out.summary = "the runtime of this node holds no sandbox of this name: the Pod is bound to another node, \
                not started by the kubelet yet, or gone (`kubectl get pod -o wide` tells)"
                .to_owned();
            if self.config.policy.excludes(namespace) {
                out.summary = "the configuration excludes its namespace".to_owned();
            }
        }
        // Of two Pods of one name the one that is judged is meant.
        let named = |(uid, record): &(&str, &PodRecord)| match judged {
            Some((judged, _)) => *uid == judged,
            None => named(&record.namespace, &record.name),
        };
        if let Some((uid, record)) = self.docket.ledger.pods().find(named) {
            let view = judged.map(|(_, latest)| &latest.view);
            let images = record.images.iter();
            out.images = images
                .filter_map(|(image, record)| self.explain_image(image, record, view))
                .collect();
            uid.clone_into(&mut out.uid);
        }
        out
    }

    fn explain_image(
        &self,
        image: &str,
        record: &ImageRecord,
        view: Option<&PodView>,
    ) -> Option<ImageExplained> {
        let last = record.last.as_ref()?;
        let since = record
            .standing
            .map_or(record.since, |standing| standing.since);
        let mut spared = Vec::new();
        if record.spared {
            spared.push("was spared once because of what the runtime knew: not again".to_owned());
        } else if record.standing.is_none() {
            let containers = view.into_iter().flat_map(|view| &view.containers);
            let containers = containers.filter(|container| container.image == image);
            let mut pulls = containers.map(|container| container.pull_policy);
            if pulls
                .clone()
                .all(|policy| policy == PullPolicy::IfNotPresent)
            {
                spared.push("once, if it is on the node when its time has come".to_owned());
            }
            if self.config.policy.second_opinion && pulls.all(|p| p != PullPolicy::Never) {
                spared.push("once, if the runtime can pull it without credentials".to_owned());
            }
            spared.push(match record.sibling {
                true => "once, as another Pod of this node has pulled it meanwhile".to_owned(),
                false => "once, if another Pod of this node has pulled it meanwhile".to_owned(),
            });
        }
        Some(ImageExplained {
            image: Shown(image).to_string(),
            cause: last.cause.to_string(),
            class: last.cause.class().to_string(),
            meaning: last.cause.meaning().to_owned(),
            failures: record.failures,
            in_a_row: record.in_a_row,
            lasting: since.map_or(0, |since| self.clock.now().since(since).as_secs()),
            spared,
            error: last.message.clone(),
        })
    }
}
