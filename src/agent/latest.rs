use super::Agent;
use crate::judge::{Decision, Moment, PodView, Reason, Stage, Verdict};

/// What is known of a Pod that is being judged.
pub(super) struct Latest {
    /// Its newest view.
    pub(super) view: PodView,
    /// The verdict on that.
    pub(super) verdict: Verdict,
    /// When that fell.
    at: Moment,
    /// The brakes that held it at its last failure, and when that was. They are the reason why it is still there, while the kubelet pauses.
    braked: Option<(Vec<Reason>, Moment)>,
    /// Since when complete evidence does not name the Pod.
    pub(super) absent: Option<Moment>,
}

impl Latest {
    /// A view and a verdict that take the place of those before.
    pub(super) fn new(view: PodView, verdict: Verdict, at: Moment, before: Option<&Self>) -> Self {
        let awaits = |reason: &Reason| matches!(reason, Reason::AwaitsNextFailure { .. });
        let braked = match verdict.decision {
            Decision::Hold => {
                let brakes = verdict.reasons.iter().filter(|r| r.brake().is_some());
                Some((brakes.cloned().collect(), at))
            }
            Decision::Wait if verdict.reasons.iter().any(awaits) => {
                before.and_then(|before| before.braked.clone())
            }
            _ => None,
        };
        Self {
            view,
            verdict,
            at,
            braked,
            absent: None,
        }
    }

    /// The brakes that hold it.
    pub(super) fn brakes(&self) -> Vec<Reason> {
        let brakes = self.braked.as_ref().map(|(brakes, _)| brakes.clone());
        brakes.unwrap_or_default()
    }

    /// Every reason why it is still there, as it is now.
    pub(super) fn reasons(&self, now: Moment) -> Vec<Reason> {
        let since = now.since(self.at);
        let mut reasons: Vec<Reason> = self.verdict.reasons.iter().map(|r| r.aged(since)).collect();
        if let Some((brakes, at)) = &self.braked {
            for brake in brakes {
                let brake = brake.aged(now.since(*at));
                if !reasons.contains(&brake) {
                    reasons.push(brake);
                }
            }
        }
        reasons
    }
}

impl Agent {
    /// What has to happen next to a Pod, and when; with an image, as far as that is concerned.
    pub(super) fn next(&self, latest: &Latest, image: Option<&str>, now: Moment) -> Vec<String> {
        let stage = self.ledger.pod(&latest.view.uid).map(|pod| pod.stage);
        let footing = self.config.policy.footing(&latest.view);
        let observed = footing.is_ok_and(|footing| !footing.enforce);
        if observed && stage == Some(Stage::Announced) {
            let text = "nothing: it is only observed, and an Event has said what would be done";
            return vec![text.to_owned()];
        }
        if let Decision::Condemn(_) = latest.verdict.decision {
            return vec!["the report is under way".to_owned()];
        }
        let mut reasons = latest.reasons(now);
        if latest.braked.is_some() {
            // The brake says more of the next failure.
            reasons.retain(|reason| !matches!(reason, Reason::AwaitsNextFailure { .. }));
        }
        let concerned = |reason: &&Reason| {
            image.is_none_or(|image| reason.image().is_none_or(|of| of == image))
        };
        let mut next: Vec<String> = Vec::new();
        for text in reasons.iter().filter(concerned).filter_map(Reason::next) {
            if !next.contains(&text) {
                next.push(text);
            }
        }
        next
    }
}
