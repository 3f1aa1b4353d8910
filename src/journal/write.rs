//! Lines of events and notes.

use serde_json::Value;

use super::line::{
    Configuration, Failure, Forgotten, Heal, Image, Left, Line, OfAftermath, OfNamespaces, OfPod,
    OfUndone, Report, Verdict, View, WouldFailThenStarted,
};
use super::namespaces::written;
use crate::judge::{Decision, Event, Note, PodId, PodView, Reason, Verdict as Judged};

/// Line of an event; `None` if what follows from the event has the lines. `config` is the
/// configuration in force.
pub(super) fn event(event: &Event, config: &Value) -> Option<Line> {
    Some(match event {
        Event::Observed(view) => Line::View(View { view: view.clone() }),
        Event::Tick => Line::Clock {},
        Event::ImageArrived { image, at } => Line::Image(Image {
            image: image.clone(),
            came: *at,
        }),
        Event::NamespaceRead { namespace, known } => {
            let (namespaces, namespace_annotations) = written(known);
            Line::Labels(OfNamespaces {
                namespaces,
                namespace_annotations,
                namespace: namespace.clone(),
            })
        }
        Event::Followed { pod, became, .. } => Line::Aftermath(OfAftermath {
            of: OfPod::from(pod),
            became: became.as_str().to_owned(),
        }),
        Event::Configured(_) => Line::Configuration(Configuration {
            config: config.clone(),
        }),
        Event::Left { .. }
        | Event::Reported { .. }
        | Event::Reverted { .. }
        | Event::OnNode(_)
        | Event::Forgotten { .. }
        | Event::NewFile => return None,
    })
}

/// Line of a note; `None` if another line says it.
pub(super) fn note(note: &Note) -> Option<Line> {
    Some(match note {
        Note::PullFailed {
            pod,
            image,
            cause,
            failures,
            inferred,
            error,
        } => Line::Failure(Failure {
            of: OfPod::from(pod),
            image: image.clone(),
            cause: cause.as_str().to_owned(),
            class: cause.class().as_str().to_owned(),
            failures: *failures,
            inferred: *inferred,
            error: error.clone(),
        }),
        Note::Healed { pod, image } => Line::Heal(Heal {
            of: OfPod::from(pod),
            image: image.clone(),
        }),
        Note::StartedAfterAll {
            pod,
            image,
            because,
        } => Line::WouldFailThenStarted(WouldFailThenStarted {
            of: OfPod::from(pod),
            image: image.clone(),
            because: because.as_str().to_owned(),
        }),
        Note::Verdict { pod, verdict } => Line::Verdict(of_verdict(pod, verdict)),
        Note::Ended {
            pod,
            image,
            ending,
            marked,
            ..
        } => Line::Report(Report {
            of: OfPod::from(pod),
            image: image.clone(),
            ending: ending.outcome.ending().to_owned(),
            outcome: ending.outcome,
            marked: *marked,
            detail: ending.detail.clone(),
            refusal: ending.refusal.clone(),
            closed: ending.closed.clone(),
        }),
        Note::Reverted { pod, undone } => Line::Undone(OfUndone {
            of: OfPod::from(pod),
            undone: *undone,
        }),
        Note::Forgotten { uid } => Line::Forgotten(Forgotten { uid: uid.clone() }),
        Note::TooLarge { .. } | Note::Left { .. } => return None,
    })
}

/// Line of a verdict.
pub(super) fn of_verdict(pod: &PodId, verdict: &Judged) -> Verdict {
    let images = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect();
    let brakes = verdict.reasons.iter().filter_map(Reason::brake);
    Verdict {
        of: OfPod::from(pod),
        decision: verdict.decision.as_str().to_owned(),
        enforce: match &verdict.decision {
            Decision::Fail(request) => Some(request.enforce),
            _ => None,
        },
        failed: images(&verdict.observed.failed),
        inferred: images(&verdict.observed.inferred),
        healed: images(&verdict.observed.healed),
        brakes: brakes.map(str::to_owned).collect(),
        reasons: verdict.reasons.iter().map(Reason::to_string).collect(),
    }
}

/// Line of a Pod that is not Pending any more.
pub(super) fn left(pod: &PodId, written: bool, view: Option<&PodView>) -> Line {
    Line::Left(Left {
        of: OfPod::from(pod),
        written,
        view: view.cloned().map(Box::new),
    })
}
