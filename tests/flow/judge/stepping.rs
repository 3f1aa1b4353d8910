//! Effects of events, step by step, without an agent.

use std::num::NonZeroU32;
use std::time::Duration;

use pullwarden::judge::{Effect, Event, Judge, NodeMode, Outcome, PodId, Settings};

use crate::support::judge::{RULES, at, policy};
use crate::support::pod::{BAD, NOT_FOUND, Pod};

/// Steps a judge through a failure, a report that ends so, and the pull that succeeds after all.
/// Returns the Pods whose condition is to be reverted.
fn reverts_after(marked: Option<bool>) -> Vec<PodId> {
    let mut policy = policy(NodeMode::Enforce);
    policy.failure_count = NonZeroU32::new(1);
    let settings = Settings {
        policy,
        brakes: RULES,
        warm_up: Duration::ZERO,
    };
    let mut judge = Judge::new(settings, at(0));
    judge.step(&arrived(BAD), at(0));
    let seen = |pod: Pod| Event::Observed(Box::new(pod.view()));
    let pod = Pod::bad("p");
    let effects = judge.step(&seen(pod.clone().version("1").failing(NOT_FOUND)), at(1));
    let reports = effects.iter().filter(|e| matches!(e, Effect::Report(_)));
    assert_eq!(reports.count(), 1, "{effects:#?}");
    let reported = Event::Reported {
        pod: pod.view().id(),
        image: BAD.to_owned(),
        ending: Outcome::Refused.into(),
        marked,
    };
    judge.step(&reported, at(2));
    let effects = judge.step(&seen(pod.version("2").running("c")), at(3));
    let reverts = effects.into_iter().filter_map(|effect| match effect {
        Effect::Revert(pod) => Some(pod),
        _ => None,
    });
    reverts.collect()
}

fn arrived(image: &str) -> Event {
    Event::ImageArrived {
        image: image.to_owned(),
        at: None,
    }
}

#[test]
fn what_a_report_left_is_reverted_though_no_source_shows_it() {
    assert_eq!(reverts_after(Some(true)), [Pod::bad("p").view().id()]);
    assert!(reverts_after(Some(false)).is_empty());
    assert!(reverts_after(None).is_empty());
}
