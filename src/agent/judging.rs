//! Judging: from a view to a verdict, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{debug, info, warn};

use super::status::Unrecognised;
use super::{Agent, Latest};
use crate::judge::{
    BRAKES, Because, Cause, Decision, LastError, Moment, PodView, Reason, Shown, Stage, Verdict,
    Wishes, judge,
};
use crate::metrics::{ByBecause, ByBrake, ByDecision};
use crate::report::Line;

/// Errors that this version does not know, kept for `status`.
const UNRECOGNISED: usize = 10;

impl Agent {
    /// Only what stands is decided by the clock.
    pub(super) fn judge_what_stands(&mut self) {
        let stands = |uid: &str| {
            let images = self.ledger.pod(uid).map(|record| record.images.values());
            images.is_some_and(|mut images| images.any(|image| image.standing.is_some()))
        };
        let views = self.latest.iter().filter(|(uid, _)| stands(uid));
        let views: Vec<PodView> = views.map(|(_, latest)| latest.view.clone()).collect();
        for view in views {
            self.judge(view);
        }
    }

    pub(super) fn judge(&mut self, view: PodView) {
        let now = self.clock.now();
        self.ask_for_labels(&view, now);
        let verdict = judge(
            &mut self.ledger,
            &mut self.brake,
            &self.config.policy,
            &view,
            now,
        );
        if verdict.observed.stale {
            return;
        }
        let before = self.latest.get(&view.uid);
        let news = verdict.observed.changed
            || before.is_none_or(|before| before.verdict.decision != verdict.decision);
        if news {
            self.note(&view, &verdict, now);
            self.unsaved = true;
        }
        let uid = view.uid.clone();
        match &verdict.decision {
            Decision::Settle if verdict.reasons.contains(&Reason::NotPending) => {
                return self.left(&uid, Some(&view));
            }
            Decision::Settle => {
                self.take_back_if_marked(&view);
                self.latest.remove(&uid);
                let why = texts_of(&verdict.reasons).join("; ");
                return self.sandboxes.look_again_later(&uid, &why, now);
            }
            Decision::Wait | Decision::Hold | Decision::Condemn(_) => {
                self.sandboxes.unsettle(&uid);
            }
        }
        if view.ending {
            self.written_before(&uid, now);
        }
        if !verdict.observed.healed.is_empty() {
            self.take_back_if_marked(&view);
        }
        self.complain(&view);
        let condemned = match &verdict.decision {
            Decision::Condemn(condemned) => Some((**condemned).clone()),
            _ => None,
        };
        if let Some(condemned) = condemned {
            self.report(condemned, &view, now);
        }
        let latest = Latest::new(view, verdict, now, self.latest.get(&uid));
        self.latest.insert(uid, latest);
    }

    /// A Pod that an earlier run has written to and not followed to its end.
    fn written_before(&mut self, uid: &str, now: Moment) {
        let stage = self.ledger.pod(uid).map(|record| record.stage);
        if !matches!(stage, Some(Stage::Written(_) | Stage::Writing)) {
            self.ledger.set_stage(uid, Stage::Written(now));
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
        let counted = verdict
            .observed
            .failed
            .iter()
            .chain(&verdict.observed.inferred);
        for image in counted {
            let record = self
                .ledger
                .pod(uid)
                .and_then(|record| record.images.get(image));
            let Some((record, last)) = record.and_then(|r| r.last.as_ref().map(|l| (r, l))) else {
                continue;
            };
            self.metrics
                .failures
                .get_or_create(&last.cause.into())
                .inc();
            if last.cause == Cause::Unrecognised {
                remember(&mut self.unrecognised, last);
            }
            let (failures, cause, error) = (record.failures, last.cause, &last.message);
            let image = Shown(image);
            info!(%namespace, %pod, %image, %cause, failures, %error, "pull failed");
        }
        for image in &verdict.observed.healed {
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
        if verdict.observed.changed {
            self.write_line(&Line::View { at: now, view });
        }
        self.write_line(&Line::Verdict {
            at: now,
            namespace,
            pod,
            uid,
            decision,
            enforce,
            failed: texts(&verdict.observed.failed),
            inferred: texts(&verdict.observed.inferred),
            healed: texts(&verdict.observed.healed),
            reasons,
        });
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
        let at = self.clock.now();
        self.write_line(&Line::WouldFailThenStarted {
            at,
            namespace,
            pod,
            uid,
            image,
            because,
        });
    }

    /// Tells the author of a Pod whose pulls fail, once, of annotations that cannot be read.
    fn complain(&mut self, view: &PodView) {
        let complaints = Wishes::of(&view.annotations).complaints;
        let record = self.ledger.pod(&view.uid);
        let failing = record.is_some_and(|r| r.images.values().any(|image| image.last.is_some()));
        if complaints.is_empty() || !failing || !self.ledger.note_told(&view.uid) {
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
        for latest in self.latest.values() {
            for brake in latest.brakes().iter().filter_map(Reason::brake) {
                *held.entry(brake).or_default() += 1;
            }
        }
        held
    }

    /// Brings the metric of what is held up to date.
    pub(super) fn count_held(&self) {
        let held = self.held();
        for brake in BRAKES {
            let count = held.get(brake).copied().unwrap_or(0);
            let gauge = self.metrics.held.get_or_create(&ByBrake { brake });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The Pod is not Pending any more, or gone; `view` is what it is now, where the evidence tells.
    pub(super) fn left(&mut self, uid: &str, view: Option<&PodView>) {
        self.sandboxes.done(uid);
        self.latest.remove(uid);
        let Some(record) = self.ledger.pod(uid) else {
            return;
        };
        if record.stage == Stage::Writing {
            // The report under way will find out, and its end forgets the Pod.
            return;
        }
        let Some(record) = self.ledger.forget(uid) else {
            return;
        };
        self.unsaved = true;
        let now = self.clock.now();
        let (namespace, pod) = (&record.namespace, &record.name);
        let written = matches!(record.stage, Stage::Written(_));
        if let Stage::Written(at) = record.stage {
            let after = now.since(at);
            info!(%namespace, %pod, ?after, "the kubelet has ended the Pod, its capacity is free");
        } else if record.images.values().any(|image| image.failures > 0) {
            info!(%namespace, %pod, "not Pending any more, its counts are dropped");
        }
        self.write_line(&Line::Left {
            at: now,
            namespace,
            pod,
            uid,
            written,
        });
        if record.stage == Stage::Marked {
            self.take_back(uid, namespace, pod);
        }
        let due = record
            .images
            .iter()
            .find_map(|(image, r)| Some((image, r.due?)));
        if let Some((image, because)) = due.filter(|_| !written) {
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
