//! The answers of `status` and `explain`, as functions of a view: no agent, no node.

use std::time::Duration;

use pullwarden::judge::{Class, Event, Judge, NodeMode, Settings, Source};
use pullwarden::view::{
    self, Decided, EvidenceState, Exemption, Explanation, Facts, GuardTried, Known, NextStep,
    Progress, ReasonKind, Status, View,
};

use crate::support::judge::{RULES, at, policy};
use crate::support::pod::{BAD, NOT_FOUND, Pod};

fn facts() -> Facts {
    Facts {
        runtime: true,
        polls: 7,
        evidence: EvidenceState::Open,
        evidence_source: Some(Source::Kubelet),
        sandboxes: 2,
        unsettled: 1,
        configuration_refused: None,
        guard_tried: GuardTried::No,
        state_kept: true,
        would_fail_then_started: 0,
    }
}

/// What was judged.
struct Fixture {
    judge: Judge,
    facts: Facts,
}

impl Fixture {
    /// Begins at second 0 with a warm-up of so many seconds.
    fn new(warm_up: u64, failure_count: Option<u32>) -> Self {
        let mut policy = policy(NodeMode::Enforce);
        policy.failure_count = failure_count.and_then(std::num::NonZeroU32::new);
        let settings = Settings {
            policy,
            brakes: RULES,
            warm_up: Duration::from_secs(warm_up),
        };
        Self {
            judge: Judge::new(settings, at(0)),
            facts: facts(),
        }
    }

    /// Reports a failed pull at each of these seconds, and the pause after it.
    fn fail(mut self, seconds: &[u64]) -> Self {
        for (index, seconds) in seconds.iter().enumerate() {
            let pods = [
                Pod::bad("p").failing(NOT_FOUND),
                Pod::bad("p").pausing(NOT_FOUND),
            ];
            for (step, pod) in pods.into_iter().enumerate() {
                let version = (2 * index + step + 1).to_string();
                self.see(&pod.version(&version), *seconds);
            }
        }
        self
    }

    fn see(&mut self, pod: &Pod, seconds: u64) {
        let event = Event::Observed(Box::new(pod.view()));
        self.judge.step(&event, at(seconds));
    }

    fn view(&self, seconds: u64) -> View<'_> {
        View {
            judge: &self.judge,
            now: at(seconds),
            unrecognised: &[],
            facts: &self.facts,
        }
    }

    fn status(&self, seconds: u64) -> Status {
        view::status(&self.view(seconds))
    }

    fn explain(&self, namespace: &str, pod: &str, why_not: Option<&str>) -> Explanation {
        let why_not = why_not.map(str::to_owned);
        view::explain(&self.view(100), namespace, pod, why_not)
    }
}

#[test]
fn progress_towards_a_threshold_is_in_numbers() {
    let fixture = Fixture::new(0, None).fail(&[10, 40]);
    let status = fixture.status(70);
    let [pod] = &status.pods[..] else {
        panic!("{status:?}")
    };
    assert_eq!((pod.decision, pod.held_by.len()), (Decided::Wait, 0));
    let failing = pod.failing.as_ref().unwrap();
    assert_eq!((failing.failures, failing.lasting_seconds), (2, 60));
    let progress = Progress::Threshold {
        class: Class::Permanent,
        have: 2,
        need: 5,
        lasting_seconds: 60,
        minimum_seconds: 600,
    };
    assert_eq!(failing.counted.as_ref().unwrap().progress, progress);
    assert_eq!(pod.next[0].in_seconds, Some(540));
}

#[test]
fn a_brake_is_named_with_the_time_that_is_left() {
    let fixture = Fixture::new(130, Some(2)).fail(&[10, 40]);
    let status = fixture.status(90);
    assert_eq!(status.warm_up_left_seconds, 40);
    assert_eq!(status.held["warm-up"], 1);
    let pod = &status.pods[0];
    assert_eq!(pod.held_by, ["warm-up"]);
    let mut reasons = pod.reasons.iter();
    let brake = reasons.find(|reason| reason.kind == ReasonKind::Brake);
    assert_eq!(brake.unwrap().brake.as_deref(), Some("warm-up"));
    let steps: Vec<_> = pod.next.iter().map(|next| next.in_seconds).collect();
    assert_eq!(steps, [Some(40)]);
    assert_eq!(view::stuck(&fixture.judge).values().sum::<i64>(), 1);
}

#[test]
fn an_answer_is_the_same_after_it_was_sent() {
    let quiet = Fixture::new(0, None);
    let stuck = Fixture::new(0, Some(3)).fail(&[10]);
    let mut starting = Fixture::new(0, None);
    starting.see(&Pod::bad("p"), 1);
    for fixture in [quiet, stuck, starting] {
        let status = fixture.status(100);
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
        let explained = fixture.explain("default", "p", None);
        let text = serde_json::to_string(&explained).unwrap();
        let read = serde_json::from_str::<Explanation>(&text).unwrap();
        assert_eq!(read, explained);
    }
}

#[test]
fn a_pod_that_is_judged_is_explained() {
    let fixture = Fixture::new(0, Some(3)).fail(&[10, 40]);
    let explained = fixture.explain("default", "p", None);
    assert_eq!(explained.known, Known::Judged);
    assert_eq!(explained.decision, Some(Decided::Wait));
    let [reason] = &explained.reasons[..] else {
        panic!("{explained:?}")
    };
    assert_eq!(reason.kind, ReasonKind::Threshold);
    let expected = format!("{BAD}: ImageNotFound, 2 of 3 failures");
    assert_eq!(reason.to_string(), expected);
    let next = NextStep {
        text: "one more failed pull decides".to_owned(),
        in_seconds: None,
    };
    assert_eq!(explained.next, [next]);
    let image = &explained.images[0];
    assert_eq!((image.failures, image.streak), (2, 2));
    assert_eq!(image.class, Class::Permanent);
    assert_eq!(image.error, NOT_FOUND);
    assert_eq!(
        image.spared,
        [Exemption::OnNode, Exemption::PulledByAnother]
    );
}

#[test]
fn a_pod_that_is_not_judged_has_its_reason() {
    let fixture = Fixture::new(0, None);
    for (namespace, why_not, known, says) in [
        ("default", None, Known::Never, "has no sandbox of this name"),
        ("kube-system", None, Known::Never, "excludes the Pod's"),
        ("default", Some("it is out"), Known::Settled, "it is out"),
    ] {
        let explained = fixture.explain(namespace, "nobody", why_not);
        assert_eq!(explained.known, known);
        assert!(explained.summary.contains(says), "{explained:?}");
        assert_eq!(explained.uid, None);
    }
}
