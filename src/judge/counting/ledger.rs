//! The counts of all Pods, and the Pods on which a condition of ours may stand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::known_bad::KnownBad;
use super::last_state::LastState;
use crate::judge::{
    Because, BehindMirror, Denied, ImageRecord, Moment, PodId, PodView, Reference, Source,
};

/// Counts per Pod UID and image reference. Kept in the state file.
///
/// A failure is a container's waiting state *entering* an attempt reason, or entering it again with another message. A transition that
/// nobody saw makes a count too low, never too high.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    pods: BTreeMap<String, PodRecord>,
    /// The Pods that a condition of ours may stand on, by UID, whatever else is known of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    marks: BTreeMap<String, Mark>,
    /// Images for which Pods were failed lately.
    #[serde(default, skip_serializing_if = "KnownBad::is_empty")]
    pub(in crate::judge) known_bad: KnownBad,
}

/// A Pod that a condition of ours may stand on with status True. The mark goes only when a fresh read shows that the condition does not stand, or
/// that the Pod is gone: a condition that is left on a Pod which runs would make a Job's `podFailurePolicy` fail it for a later exit code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod's name.
    pub name: String,
    /// The condition is not true any more: the Pod got past its pull, is not judged any more, or is not Pending.
    pub over: bool,
}

/// Everything that is known of one Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRecord {
    /// The Pod's namespace, for people.
    pub namespace: String,
    /// The Pod's name, for people.
    pub name: String,
    /// The newest `resourceVersion` seen; an older view of the API server's is ignored.
    pub(in crate::judge) resource_version: String,
    /// Source that reported it last.
    #[serde(default)]
    pub(in crate::judge) source: Source,
    /// Moment at which the Pod was last known to be on the node.
    pub(in crate::judge) last_known: Moment,
    /// The state each container was last seen in.
    pub(in crate::judge) containers: BTreeMap<String, LastState>,
    /// The counts, by image reference as the spec has it.
    pub images: BTreeMap<String, ImageRecord>,
    /// Progress of the report on this Pod.
    pub stage: Stage,
    /// The Pod's author was told of annotations that cannot be read.
    #[serde(default)]
    pub told: bool,
}

/// Progress of the report on a Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Nothing was reported.
    #[default]
    Watching,
    /// Observing: the Event that says what would have been done was written.
    Announced,
    /// The report has begun; the condition may have been written. Earlier versions also kept `Marked`: a report that had ended so.
    #[serde(alias = "Marked")]
    Writing,
    /// Both writes were made, at this moment: the kubelet is about to end the Pod.
    Written(Moment),
}

/// News that a view brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The view was older than what is known, and was ignored.
    pub stale: bool,
    /// The state of some container changed.
    pub changed: bool,
    /// Images with a newly reported failure that was counted: what decides.
    pub failed: BTreeSet<String>,
    /// Images first seen in the pause after a failure that nobody saw. It counts, but a pull may be in flight by now.
    pub inferred: BTreeSet<String>,
    /// Images that had failures, or a standing reason, and got past their pull.
    pub healed: BTreeSet<String>,
    /// Those of them that were pulled.
    pub pulled: BTreeSet<String>,
    /// Those of them whose time had come: the Pod would have been failed.
    pub started: BTreeMap<String, Because>,
}

/// Time that a standing reason is left alone after a report that wrote nothing.
const POSTPONED: Duration = Duration::from_secs(300);

/// Time that a Pod is left alone after the first denied write, and the longest. The first is the kubelet's longest pause.
const DENIED: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(3600));

/// A Pod that has not been on the node for this long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

impl Ledger {
    /// Returns what is known of a Pod.
    pub fn pod(&self, uid: &str) -> Option<&PodRecord> {
        self.pods.get(uid)
    }

    /// All Pods that something is known of, by UID.
    pub fn pods(&self) -> impl Iterator<Item = (&str, &PodRecord)> {
        self.pods.iter().map(|(uid, record)| (uid.as_str(), record))
    }

    /// Brings the counts up to date with a view of a Pod.
    pub(in crate::judge) fn observe(
        &mut self,
        view: &PodView,
        mirrors: &BehindMirror,
        now: Moment,
    ) -> Observed {
        let record = self
            .pods
            .entry(view.uid.clone())
            .or_insert_with(|| PodRecord {
                namespace: view.namespace.clone(),
                name: view.name.clone(),
                resource_version: String::new(),
                source: view.source,
                last_known: now,
                containers: BTreeMap::new(),
                images: BTreeMap::new(),
                stage: Stage::Watching,
                told: false,
            });
        let observed = record.observe(view, mirrors, now);
        if !observed.stale {
            self.known_bad.observe(view, &record.images);
        }
        for image in &observed.pulled {
            self.pulled_by_another(image, &view.uid);
        }
        observed
    }

    /// An image was pulled on this node, by the Pod of this UID or (empty) by one that is not known.
    pub(in crate::judge) fn pulled_by_another(&mut self, image: &str, by: &str) {
        self.known_bad.pulled(image);
        let pulled = Reference::of(image);
        for (_, record) in self.pods.iter_mut().filter(|(uid, _)| *uid != by) {
            for (image, record) in &mut record.images {
                let failing = record.failures > 0 || record.standing.is_some();
                record.sibling |= failing && Reference::of(image) == pulled;
            }
        }
    }

    /// The time of an image had come, and the Pod was not failed.
    pub(in crate::judge) fn note_due(&mut self, uid: &str, image: &str, because: Because) {
        if let Some(record) = self.image(uid, image) {
            record.due.get_or_insert(because);
        }
    }

    /// A brake of its registry holds an image.
    pub(in crate::judge) fn note_held(&mut self, uid: &str, image: &str, now: Moment) {
        if let Some(record) = self.image(uid, image) {
            record.held.get_or_insert(now);
        }
    }

    /// Notes what is known of an image's registry as its failure is reported: the last pull, and whether there was none since the node was started.
    pub(in crate::judge) fn note_registry(
        &mut self,
        uid: &str,
        image: &str,
        at: Option<Moment>,
        new: bool,
    ) {
        if let Some(record) = self.image(uid, image) {
            (record.pulled, record.new) = (at, new);
        }
    }

    /// An image was spared because of what the node's runtime knows of it: once only.
    pub(in crate::judge) fn note_spared(&mut self, uid: &str, image: &str) {
        if let Some(record) = self.image(uid, image) {
            record.spared = true;
        }
    }

    /// The API server has denied to fail a Pod for an image: it is left alone for a while. Each time for twice as long, as long as the same
    /// plugin refuses.
    pub(in crate::judge) fn note_denied(
        &mut self,
        uid: &str,
        image: &str,
        refusal: Option<&str>,
        now: Moment,
    ) {
        if let Some(record) = self.image(uid, image) {
            let same = |denied: &&Denied| denied.refusal.as_deref() == refusal;
            let before = record.denied.as_ref().filter(same);
            let before = before.map_or(0, |denied| denied.times);
            let pause = DENIED.0.saturating_mul(2_u32.saturating_pow(before));
            record.denied = Some(Denied {
                times: before.saturating_add(1),
                until: Some(now.after(pause.min(DENIED.1))),
                refusal: refusal.map(str::to_owned),
            });
        }
    }

    /// Returns true if the API server denied the last write about some Pod.
    pub(in crate::judge) fn is_any_denied(&self) -> bool {
        let mut images = self.pods.values().flat_map(|pod| pod.images.values());
        images.any(|image| image.denied.is_some())
    }

    /// Other settings are in force: no Pod waits any more because a write was denied.
    pub(in crate::judge) fn denials_are_over(&mut self) {
        let images = self
            .pods
            .values_mut()
            .flat_map(|pod| pod.images.values_mut());
        for denied in images.filter_map(|image| image.denied.as_mut()) {
            (denied.times, denied.until) = (0, None);
        }
    }

    /// The Pod's author was told of annotations that cannot be read. False if that was so before.
    pub(in crate::judge) fn note_told(&mut self, uid: &str) -> bool {
        let record = self.pods.get_mut(uid);
        record.is_some_and(|record| !std::mem::replace(&mut record.told, true))
    }

    fn image(&mut self, uid: &str, image: &str) -> Option<&mut ImageRecord> {
        self.pods.get_mut(uid)?.images.get_mut(image)
    }

    /// Sets how far the report on a Pod has come, if something is known of it.
    pub(in crate::judge) fn set_stage(&mut self, uid: &str, stage: Stage) {
        if let Some(record) = self.pods.get_mut(uid) {
            record.stage = stage;
        }
    }

    /// A report on a Pod ended without a write. A standing reason stands anew in five minutes, as long as the kubelet's longest pause: what has
    /// attempts waits for the next one, and what has none must not be tried at every tick.
    pub(in crate::judge) fn postpone(&mut self, uid: &str, image: &str, now: Moment) {
        if let Some(standing) = self.image(uid, image).and_then(|i| i.standing.as_mut()) {
            standing.since = Some(now.after(POSTPONED));
        }
    }

    /// Drops what was counted of a Pod that is too large to be judged.
    pub(in crate::judge) fn shed(&mut self, uid: &str) {
        if let Some(record) = self.pods.get_mut(uid) {
            record.containers.clear();
            record.images.clear();
        }
    }

    /// Forgets a Pod; what was known of it is returned. Its mark stays.
    pub(in crate::judge) fn forget(&mut self, uid: &str) -> Option<PodRecord> {
        self.pods.remove(uid)
    }

    /// The Pods that a condition of ours may stand on, by UID.
    pub fn marks(&self) -> impl Iterator<Item = (&str, &Mark)> {
        self.marks.iter().map(|(uid, mark)| (uid.as_str(), mark))
    }

    /// Returns whether a condition of ours may be True on this Pod.
    pub fn is_marked(&self, uid: &str) -> bool {
        self.marks.contains_key(uid)
    }

    /// A condition of ours may stand on this Pod.
    pub(in crate::judge) fn mark(&mut self, uid: &str, namespace: &str, name: &str) {
        let mark = || Mark {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            over: false,
        };
        self.marks.entry(uid.to_owned()).or_insert_with(mark);
    }

    /// Notes that a condition of ours, if one stands on this Pod, is not true any more.
    pub(in crate::judge) fn mark_over(&mut self, uid: &str) {
        if let Some(mark) = self.marks.get_mut(uid) {
            mark.over = true;
        }
    }

    /// No condition of ours stands on this Pod, or it is right: the Pod is being ended.
    pub(in crate::judge) fn unmark(&mut self, uid: &str) {
        self.marks.remove(uid);
    }

    /// Our conditions are not true any more on Pods that are not judged: no later failure completes the
    /// writes there.
    pub(in crate::judge) fn unnamed_is_over(&mut self, is_judged: impl Fn(&str) -> bool) {
        let unnamed = self.marks.iter_mut().filter(|(uid, _)| !is_judged(uid));
        unnamed.for_each(|(_, mark)| mark.over = true);
    }

    /// The Pods on which a condition of ours may stand and is not true any more. Not those whose report is
    /// under way, or that the kubelet is ending.
    pub(in crate::judge) fn to_revert(&self) -> impl Iterator<Item = PodId> {
        let is_ours = |uid: &str| {
            let stage = self.pod(uid).map(|record| record.stage);
            matches!(stage, Some(Stage::Writing | Stage::Written(_)))
        };
        let marks = self.marks.iter();
        let due = marks.filter(move |(uid, mark)| mark.over && !is_ours(uid));
        due.map(|(uid, mark)| PodId {
            uid: uid.clone(),
            namespace: mark.namespace.clone(),
            name: mark.name.clone(),
        })
    }

    /// Notes which Pods are on the node and forgets those that have not been for an hour: these, by UID.
    pub(in crate::judge) fn keep<'a>(
        &mut self,
        on_node: impl IntoIterator<Item = &'a str>,
        now: Moment,
    ) -> Vec<String> {
        for uid in on_node {
            if let Some(record) = self.pods.get_mut(uid) {
                record.last_known = now;
            }
        }
        let late = |record: &PodRecord| now.since(record.last_known) >= FORGOTTEN_AFTER;
        let gone = self.pods.extract_if(.., |_, record| late(record));
        gone.map(|(uid, _)| uid).collect()
    }

    /// Every report has ended, some without a word: whatever was under way may have got as far as the condition.
    pub(in crate::judge) fn restarted(&mut self) {
        let mut marked = Vec::new();
        for (uid, record) in &mut self.pods {
            if record.stage == Stage::Writing {
                record.stage = Stage::Watching;
                marked.push((uid.clone(), record.namespace.clone(), record.name.clone()));
            }
        }
        for (uid, namespace, name) in marked {
            self.mark(&uid, &namespace, &name);
        }
    }

    /// The node was started anew: counts stay, but nothing that was measured on the other boot clock does.
    pub(in crate::judge) fn rebooted(&mut self, now: Moment) {
        self.known_bad.clear();
        for record in self.pods.values_mut() {
            record.last_known = now;
            if matches!(record.stage, Stage::Written(_)) {
                record.stage = Stage::Written(now);
            }
            for state in record.containers.values_mut() {
                state.rebooted();
            }
            for image in record.images.values_mut() {
                image.since = None;
                image.held = None;
                if let Some(denied) = &mut image.denied {
                    denied.until = None;
                }
                image.pulled = None;
                // A pull that comes before its next failure is reported may come after that was tried.
                image.new = image.failures > 0;
                for row in image.rows.values_mut() {
                    row.since = None;
                }
                if let Some(standing) = &mut image.standing {
                    standing.since = None;
                }
            }
        }
    }
}

impl PodRecord {
    /// An image whose time had come, and why the Pod was not failed.
    pub fn due(&self) -> Option<(&str, Because)> {
        let mut images = self.images.iter();
        images.find_map(|(image, record)| Some((image.as_str(), record.due?)))
    }
}
