//! What has to happen next to a Pod, for `status` and `explain`.

use super::Agent;
use crate::judge::{Decision, Latest, Moment, Reason, Stage};

impl Agent {
    /// What has to happen next to a Pod, and when; with an image, as far as that is concerned.
    pub(super) fn next(&self, latest: &Latest, image: Option<&str>, now: Moment) -> Vec<String> {
        let stage = self
            .judge
            .ledger()
            .pod(&latest.view.uid)
            .map(|pod| pod.stage);
        let footing = self.judge.policy().footing(&latest.view);
        let observed = footing.is_ok_and(|footing| !footing.enforce);
        if observed && stage == Some(Stage::Announced) {
            let text = "nothing: it is only observed, and an Event has said what would be done";
            return vec![text.to_owned()];
        }
        if let Decision::Condemn(_) = latest.verdict.decision {
            return vec!["the report is under way".to_owned()];
        }
        let mut reasons = latest.reasons(now);
        if latest.is_braked() {
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
