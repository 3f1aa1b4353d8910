//! Judging: from a view to a verdict, and what follows from it. What it does to the counts is [`Docket`]'s; here is what is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tracing::{debug, info, warn};

use super::Agent;
use super::status::Unrecognised;
use crate::judge::{
    BRAKES, Because, Cause, Decision, Judged, LastError, Moment, PodView, Reason, Shown, Stage,
    Then, Verdict, Wishes,
};
use crate::metrics::{ByBecause, ByBrake, ByDecision};
use crate::report::Line;

/// Errors that this version does not know, kept for `status`.
const UNRECOGNISED: usize = 10;

impl Agent {
    /// Only what stands is decided by the clock.
    pub(super) fn judge_what_stands(&mut self) {
        let now = self.clock.now();
        let mut told = false;
        for view in self.docket.standing() {
            let judged = self.docket.judge(&self.config.policy, &view, now);
            if judged.news && !std::mem::replace(&mut told, true) {
                self.write_line(now, &Line::Clock {});
            }
            self.follow(&view, judged, now);
        }
        self.ticked = Some(now);
    }

    /// Judges a Pod by what was reported of it.
    pub(super) fn judge(&mut self, view: &PodView) {
        let now = self.clock.now();
        self.ask_for_labels(&view.namespace, now);
        self.absent.remove(&view.uid);
        let judged = self.docket.judge(&self.config.policy, view, now);
        if judged.then != Then::Nothing && (self.is_new(view) || judged.news) {
            self.write_line(now, &Line::View { view });
        }
        self.follow(view, judged, now);
    }

    /// Judges these Pods again: not they have changed, but what they are judged by.
    pub(super) fn judge_again(&mut self, views: Vec<PodView>, now: Moment) {
        for view in views {
            self.ask_for_labels(&view.namespace, now);
            let judged = self.docket.judge(&self.config.policy, &view, now);
            self.follow(&view, judged, now);
        }
    }

    /// Whether a view is another one than the last that was written down of the Pod. Its version alone makes it none, nor that it is a
    /// source's first word: what that changes is news.
    fn is_new(&mut self, view: &PodView) -> bool {
        let mut hasher = DefaultHasher::new();
        let bare = PodView {
            resource_version: String::new(),
            first: false,
            ..view.clone()
        };
        bare.hash(&mut hasher);
        let digest = hasher.finish();
        self.shown.insert(view.uid.clone(), digest) != Some(digest)
    }

    fn follow(&mut self, view: &PodView, judged: Judged, now: Moment) {
        let Judged {
            verdict,
            news,
            then,
        } = judged;
        if news {
            self.note(view, &verdict, now);
            self.unsaved = true;
        }
        match then {
            Then::Nothing => {}
            Then::Leave => self.left(&view.uid, Some(view)),
            Then::LookAway => {
                self.skip_if_too_large(view);
                let why = texts_of(&verdict.reasons).join("; ");
                self.sandboxes.look_again_later(&view.uid, &why, now);
            }
            Then::GoOn => {
                self.sandboxes.unsettle(&view.uid);
                self.complain(view);
            }
            Then::Report(condemned) => {
                self.sandboxes.unsettle(&view.uid);
                self.complain(view);
                self.report(*condemned);
            }
        }
    }

    fn note(&mut self, view: &PodView, verdict: &Verdict, now: Moment) {
        let (namespace, pod, uid) = (&view.namespace, &view.name, &view.uid);
        let decision = verdict.decision.as_str();
        let reasons = texts_of(&verdict.reasons);
        let enforce = match &verdict.decision {
            Decision::Condemn(condemned) => Some(condemned.enforce),
            _ => None,
        };
        self.metrics
            .verdicts
            .get_or_create(&ByDecision { decision })
            .inc();
        for image in &verdict.observed.failed {
            self.failed(view, image, false, now);
        }
        for image in &verdict.observed.inferred {
            self.failed(view, image, true, now);
        }
        for image in &verdict.observed.healed {
            self.write_line(
                now,
                &Line::Heal {
                    namespace,
                    pod,
                    uid,
                    image,
                },
            );
            let image = Shown(image);
            info!(%namespace, %pod, %image, "pulled after failures, its count is dropped");
        }
        for (image, because) in &verdict.observed.started {
            self.started(namespace, pod, uid, image, *because);
        }
        match &verdict.decision {
            Decision::Hold => {
                info!(%namespace, %pod, why = reasons.join("; "), "verdict held");
            }
            Decision::Condemn(condemned) => {
                let enforce = condemned.enforce;
                info!(%namespace, %pod, enforce, why = reasons.join("; "), "condemned");
            }
            Decision::Settle | Decision::Wait => {
                debug!(%namespace, %pod, decision, why = reasons.join("; "), "judged");
            }
        }
        let line = Line::Verdict {
            namespace,
            pod,
            uid,
            decision,
            enforce,
            failed: texts(&verdict.observed.failed),
            inferred: texts(&verdict.observed.inferred),
            healed: texts(&verdict.observed.healed),
            brakes: verdict.reasons.iter().filter_map(Reason::brake).collect(),
            reasons,
        };
        self.write_line(now, &line);
    }

    /// A failed pull was counted.
    fn failed(&mut self, view: &PodView, image: &str, inferred: bool, now: Moment) {
        let (namespace, pod, uid) = (&view.namespace, &view.name, &view.uid);
        let record = self.docket.ledger.pod(uid);
        let record = record.and_then(|record| record.images.get(image));
        let Some((record, last)) = record.and_then(|r| r.last.as_ref().map(|l| (r, l))) else {
            return;
        };
        let (failures, cause, error) = (record.failures, last.cause, last.message.clone());
        self.metrics.failures.get_or_create(&cause.into()).inc();
        if cause == Cause::Unrecognised {
            remember(&mut self.unrecognised, last);
        }
        let line = Line::Failure {
            namespace,
            pod,
            uid,
            image,
            cause: cause.as_str(),
            class: cause.class().as_str(),
            failures,
            inferred,
            error: &error,
        };
        self.write_line(now, &line);
        let image = Shown(image);
        info!(%namespace, %pod, %image, %cause, failures, %error, "pull failed");
    }

    /// A Pod that would have been failed has started after all: the number that tells whether to trust the settings.
    pub(super) fn started(
        &mut self,
        namespace: &str,
        pod: &str,
        uid: &str,
        image: &str,
        because: Because,
    ) {
        let because = because.as_str();
        self.metrics
            .would_fail_then_started
            .get_or_create(&ByBecause { because })
            .inc();
        self.wrong += 1;
        warn!(%namespace, %pod, image = %Shown(image), because, "would have been failed, and started after all");
        let line = Line::WouldFailThenStarted {
            namespace,
            pod,
            uid,
            image,
            because,
        };
        self.write_line(self.clock.now(), &line);
    }

    /// Says once of each Pod that is too large to be judged that it is skipped.
    fn skip_if_too_large(&mut self, view: &PodView) {
        if view.too_large && self.too_large.insert(view.uid.clone()) {
            let (namespace, pod) = (&view.namespace, &view.name);
            warn!(%namespace, %pod, "too large to be judged, skipped");
        }
    }

    /// Tells the author of a Pod whose pulls fail, once, of annotations that cannot be read.
    fn complain(&mut self, view: &PodView) {
        let complaints = Wishes::of(&view.annotations).complaints;
        let record = self.docket.ledger.pod(&view.uid);
        let failing = record.is_some_and(|r| r.images.values().any(|image| image.last.is_some()));
        if complaints.is_empty() || !failing || !self.docket.ledger.note_told(&view.uid) {
            return;
        }
        let (namespace, pod) = (&view.namespace, &view.name);
        let ignored: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        warn!(%namespace, %pod, annotations = ignored.join("; "), "annotations ignored");
        self.unsaved = true;
        self.announce_complaints(view, complaints);
    }

    /// How many verdicts each brake holds at present.
    pub(super) fn held(&self) -> BTreeMap<&'static str, usize> {
        let mut held = BTreeMap::new();
        for latest in self.docket.latest.values() {
            for brake in latest.brakes().iter().filter_map(Reason::brake) {
                *held.entry(brake).or_default() += 1;
            }
        }
        held
    }

    /// Brings the metric of what is held up to date.
    pub(super) fn count_held(&self) {
        let held = self.held();
        for brake in BRAKES.map(|brake| brake.name) {
            let count = held.get(brake).copied().unwrap_or(0);
            let gauge = self.metrics.held.get_or_create(&ByBrake { brake });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The Pod is not Pending any more, or gone; `view` is what it is now, where the evidence tells.
    pub(super) fn left(&mut self, uid: &str, view: Option<&PodView>) {
        self.sandboxes.done(uid);
        self.absent.remove(uid);
        let now = self.clock.now();
        let known = self.docket.ledger.pod(uid).is_some();
        if let Some(view) = view {
            self.docket.adopt(&self.config.policy, view);
            self.docket.ledger.mark_over(uid);
        }
        let Some(record) = self.docket.left(uid) else {
            // One that was not judged was written down too. One whose report is under way is told of when that ends.
            if !known && self.shown.remove(uid).is_some() {
                let (namespace, pod) = view.map_or(("", ""), |v| (&v.namespace, &v.name));
                let line = Line::Left {
                    namespace,
                    pod,
                    uid,
                    written: false,
                    view,
                };
                self.write_line(now, &line);
            }
            return;
        };
        self.unsaved = true;
        self.shown.remove(uid);
        let (namespace, pod) = (&record.namespace, &record.name);
        let written = matches!(record.stage, Stage::Written(_));
        if let Stage::Written(at) = record.stage {
            let after = now.since(at);
            info!(%namespace, %pod, ?after, "the kubelet has ended the Pod, its capacity is free");
        } else if record.images.values().any(|image| image.failures > 0) {
            info!(%namespace, %pod, "not Pending any more, its counts are dropped");
        }
        let line = Line::Left {
            namespace,
            pod,
            uid,
            written,
            view,
        };
        self.write_line(now, &line);
        if let Some((image, because)) = record.due().filter(|_| !written) {
            match view {
                Some(view) if view.has_started(image) => {
                    self.started(namespace, pod, uid, image, because);
                }
                Some(_) => {}
                None => self.look_whether_started(uid, namespace, pod, image, because),
            }
        }
    }
}

pub(super) fn texts_of(reasons: &[Reason]) -> Vec<String> {
    reasons.iter().map(Reason::to_string).collect()
}

/// Keeps an error that is not known, the latest last, each text once.
fn remember(known: &mut Vec<Unrecognised>, error: &LastError) {
    let same = known.iter().position(|k| k.message == error.message);
    let count = same.map_or(0, |at| known.remove(at).count);
    if known.len() >= UNRECOGNISED {
        known.remove(0);
    }
    known.push(Unrecognised {
        message: error.message.clone(),
        count: count + 1,
    });
}

fn texts(set: &BTreeSet<String>) -> Vec<&str> {
    set.iter().map(String::as_str).collect()
}
