//! Next steps of a Pod, for `status` and `explain`.

use super::View;
use crate::judge::{Decision, Latest, Reason, Stage};

/// What has to happen next to a Pod, and when; with an image, as far as that is concerned.
pub(super) fn next(view: &View<'_>, latest: &Latest, image: Option<&str>) -> Vec<String> {
    let stage = view
        .docket
        .ledger
        .pod(&latest.view.uid)
        .map(|pod| pod.stage);
    let footing = view.policy.footing(&latest.view);
    let observed = footing.is_ok_and(|footing| !footing.enforce);
    if observed && stage == Some(Stage::Announced) {
        let text = "nothing: it is only observed, and an Event has said what would be done";
        return vec![text.to_owned()];
    }
    if let Decision::Condemn(_) = latest.verdict.decision {
        return vec!["the report is under way".to_owned()];
    }
    let mut reasons = latest.reasons(view.now);
    if latest.is_braked() {
        // The brake says more of the next failure.
        reasons.retain(|reason| !matches!(reason, Reason::AwaitsNextFailure { .. }));
    }
    let concerned =
        |reason: &&Reason| image.is_none_or(|image| reason.image().is_none_or(|of| of == image));
    let mut next: Vec<String> = Vec::new();
    for text in reasons.iter().filter(concerned).filter_map(Reason::next) {
        if !next.contains(&text) {
            next.push(text);
        }
    }
    next
}
