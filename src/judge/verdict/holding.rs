//! The question whether a verdict is held.

use super::fail_request::FailRequest;
use super::reason::Reason;
use super::subject::Subject;
use crate::judge::brakes::hold::{Context, Hold};
use crate::judge::brakes::{self, always};
use crate::judge::{Action, Because, Brakes, Ledger, Stage};

/// Returns every reason to hold a verdict. Notes in the ledger what must not hold it for ever.
pub(super) fn hold(
    ledger: &mut Ledger,
    brakes: &Brakes,
    subject: Subject<'_>,
    request: &FailRequest,
) -> Vec<Reason> {
    let Subject {
        view, rules, now, ..
    } = subject;
    let (uid, image) = (&view.uid, &request.image);
    let pod = ledger.pod(uid);
    let announced = pod.is_some_and(|record| record.stage == Stage::Announced);
    if !rules.enforce() && announced {
        return vec![Reason::AlreadyAnnounced];
    }
    let Some(record) = pod.and_then(|record| record.images.get(image)) else {
        return Vec::new();
    };
    let held = brakes::holds(&Context {
        brakes,
        view,
        image,
        record,
        cause: request.cause,
        known_bad: request.known_bad,
        lasting: request.lasting,
        namespace_unknown: rules.namespace_unknown,
        deletes: subject.policy.action == Action::Delete,
        now,
    });
    if held.is_empty() {
        if !record.sibling || record.spared {
            return Vec::new();
        }
        ledger.note_spared(uid, image);
        ledger.note_due(uid, image, Because::Spared);
        ledger.postpone(uid, image, now);
        let image = image.clone();
        return vec![Reason::PulledByAnother { image }];
    }
    if held.iter().any(Hold::ends_with_pull) {
        ledger.note_held(uid, image, now);
    }
    // That brake stands for a longer minimum duration: without it the Pod would not be failed yet
    // either.
    if held.iter().all(|hold| hold.brake() != always::BRAKE.name) {
        ledger.note_due(uid, image, Because::Held);
    }
    held.into_iter().map(Reason::Held).collect()
}
