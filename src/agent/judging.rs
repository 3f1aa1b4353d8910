//! Judging: from a view to a verdict, and what follows from it.

use std::collections::BTreeSet;

use tracing::{debug, info};

use super::{Agent, Latest};
use crate::judge::{Decision, Moment, PodView, Reason, Shown, Stage, Verdict, judge};
use crate::metrics::ByDecision;
use crate::report::Line;

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
        let verdict = judge(
            &mut self.ledger,
            &self.brake,
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
                return self.left(&uid);
            }
            Decision::Settle => {
                self.take_back_if_marked(&view);
                self.latest.remove(&uid);
                return self.sandboxes.look_again_later(&uid, now);
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
        let condemned = match &verdict.decision {
            Decision::Condemn(condemned) => Some((**condemned).clone()),
            _ => None,
        };
        if let Some(condemned) = condemned {
            self.report(condemned, &view, now);
        }
        let latest = Latest {
            view,
            verdict,
            absent: None,
        };
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
        let reasons: Vec<String> = verdict.reasons.iter().map(Reason::to_string).collect();
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
            let (failures, cause, error) = (record.failures, last.cause, &last.message);
            let image = Shown(image);
            info!(%namespace, %pod, %image, %cause, failures, %error, "pull failed");
        }
        for image in &verdict.observed.healed {
            let image = Shown(image);
            info!(%namespace, %pod, %image, "pulled after failures, its count is dropped");
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

    /// The Pod is not Pending any more, or gone.
    pub(super) fn left(&mut self, uid: &str) {
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
    }
}

fn texts(set: &BTreeSet<String>) -> Vec<&str> {
    set.iter().map(String::as_str).collect()
}
