//! Which Pods are judged, and what their annotations ask for.

use pullwarden::judge::{Decision, NodeMode, Outcome, Reason, RestartPolicy, still_due};

use crate::support::judge::{TestJudge, decides_to_fail, policy, request, settles};
use crate::support::pod::{BAD, GOOD, NOT_FOUND, Pod};

const MODE: &str = "pullwarden.io/mode";
const COUNT: &str = "pullwarden.io/image-pull-failure-count";

fn pod() -> Pod {
    Pod::bad("p")
}

/// A Pod that fails again and again is settled for this reason, nothing is noted of it, and the last look spares it too.
#[track_caller]
fn check_left_alone(pod: &Pod, expected: &Reason) {
    let mut judge = TestJudge::counting_to(1);
    for second in [0, 600, 1200, 90_000] {
        let verdict = judge.fail(pod, NOT_FOUND, second);
        assert!(settles(&verdict, expected), "{verdict:?}");
    }
    assert_eq!(judge.ledger().pods().count(), 0);
    let mut other = TestJudge::counting_to(1);
    let verdict = other.fail(&Pod::bad("p").uid(pod.has_uid()), NOT_FOUND, 0);
    let request = request(&verdict).unwrap();
    let spared = still_due(
        request,
        judge.policy(),
        &pod.clone().failing(NOT_FOUND).view(),
    );
    assert_eq!(spared.as_ref(), Err(expected));
}

#[test]
fn a_pod_that_an_edit_makes_too_large_loses_its_counts() {
    let mut judge = TestJudge::counting_to(9);
    let pod = (0..31).fold(pod(), |pod, n| pod.container(&format!("d{n}"), GOOD));
    let edit = |pod, n| Pod::edited(pod, &format!("d{n}"), &format!("r.test/{n}:1"));
    let large = (0..31).fold(pod.clone(), edit).container("e", GOOD);
    judge.fail(&pod, NOT_FOUND, 0);
    assert_eq!(judge.failures(&pod), Some(1));
    let verdict = judge.fail(&large, NOT_FOUND, 30);
    assert!(settles(&verdict, &Reason::TooLarge), "{verdict:?}");
    assert_eq!(judge.failures(&pod), None);
    judge.fail(&pod, NOT_FOUND, 60);
    assert_eq!(judge.failures(&pod), Some(1));
}

#[test]
fn pods_that_are_never_written_to() {
    check_left_alone(
        &pod().restart("Always"),
        &Reason::RestartPolicyNotCovered(RestartPolicy::Always),
    );
    check_left_alone(&pod().namespace("kube-system"), &Reason::NamespaceExcluded);
    check_left_alone(&pod().mirror(), &Reason::MirrorPod);
    let many = (0..64).fold(pod(), |pod, n| pod.container(&format!("d{n}"), GOOD));
    check_left_alone(&many, &Reason::TooLarge);
    // Whose namespace is left alone need not be told so.
    check_left_alone(&many.namespace("kube-system"), &Reason::NamespaceExcluded);
    check_left_alone(&pod().phase("Running"), &Reason::NotPending);
    check_left_alone(&pod().phase("Failed"), &Reason::NotPending);
    check_left_alone(&pod().phase(""), &Reason::NotPending);
    check_left_alone(&pod().deleting(), &Reason::Terminating);
    check_left_alone(&pod().node("node2"), &Reason::NotOnThisNode);
    check_left_alone(&pod().node(""), &Reason::NotOnThisNode);
    check_left_alone(&pod().annotation(MODE, "off"), &Reason::SwitchedOff);
}

#[test]
fn no_annotation_brings_those_in_that_must_stay_out() {
    let asks = |pod: Pod| pod.annotation(MODE, "enforce").annotation(COUNT, "1");
    check_left_alone(
        &asks(pod().namespace("kube-system")),
        &Reason::NamespaceExcluded,
    );
    check_left_alone(&asks(pod().mirror()), &Reason::MirrorPod);
    check_left_alone(&asks(pod().phase("Running")), &Reason::NotPending);
    check_left_alone(&asks(pod().deleting()), &Reason::Terminating);
    check_left_alone(&asks(pod().node("node2")), &Reason::NotOnThisNode);
}

/// What comes of a Pod's first failure on a node with a count of 1: `None` if nothing, else whether it may be written to.
#[track_caller]
fn check(mode: NodeMode, pod: &Pod, expected: Option<bool>) {
    let mut judge = TestJudge::counting_to(1).with_mode(mode);
    let verdict = judge.fail(pod, NOT_FOUND, 0);
    assert_eq!(
        request(&verdict).map(|c| c.enforce),
        expected,
        "{verdict:?}"
    );
}

#[test]
fn the_nodes_mode_is_a_ceiling() {
    for (annotation, observe, opt_in, enforce) in [
        (None, Some(false), Some(false), Some(true)),
        (Some("enforce"), Some(false), Some(true), Some(true)),
        (Some("observe"), Some(false), Some(false), Some(false)),
        (Some("off"), None, None, None),
        // What cannot be read is as if it were not there.
        (Some("Enforce"), Some(false), Some(false), Some(true)),
        (Some(" enforce"), Some(false), Some(false), Some(true)),
        (Some(""), Some(false), Some(false), Some(true)),
    ] {
        let pod = annotation
            .into_iter()
            .fold(pod(), |pod, value| pod.annotation(MODE, value));
        check(NodeMode::Observe, &pod, observe);
        check(NodeMode::OptIn, &pod, opt_in);
        check(NodeMode::Enforce, &pod, enforce);
    }
}

#[test]
fn a_failure_count_alone_is_not_an_opt_in() {
    check(NodeMode::OptIn, &pod().annotation(COUNT, "1"), Some(false));
    check(
        NodeMode::Observe,
        &pod().annotation(COUNT, "1"),
        Some(false),
    );
}

/// The failures after which a Pod with this annotation is failed, on a node that counts to 4.
#[track_caller]
fn check_count(annotation: &str, expected: u64) {
    let mut judge = TestJudge::counting_to(4);
    let pod = pod().annotation(COUNT, annotation);
    let decided = (1..10).find(|n| decides_to_fail(&judge.fail(&pod, NOT_FOUND, *n)));
    assert_eq!(decided, Some(expected), "{annotation:?}");
}

#[test]
fn the_pods_own_count_wins_if_it_is_one() {
    check_count("1", 1);
    check_count("2", 2);
    check_count("7", 7);
    for garbage in [
        "0",
        "-1",
        "-5",
        "3.0",
        "",
        "five",
        " 1",
        "1 ",
        "99999999999999999999",
        "0x1",
        "1e0",
    ] {
        check_count(garbage, 4);
    }
}

#[test]
fn always_is_covered_when_the_pod_asks_and_waits_ten_minutes() {
    for pod in [
        pod().restart("Always").annotation(MODE, "enforce"),
        pod().restart("Always").annotation(COUNT, "1"),
    ] {
        let mut judge = TestJudge::counting_to(1);
        for second in [0, 26, 300, 599] {
            let verdict = judge.fail(&pod, NOT_FOUND, second);
            assert_eq!(verdict.decision, Decision::Hold, "{verdict:?}");
            assert_eq!(verdict.reasons.last().unwrap().brake(), Some("always"));
        }
        assert!(decides_to_fail(&judge.fail(&pod, NOT_FOUND, 600)));
    }
}

#[test]
fn always_is_covered_when_the_configuration_says_so() {
    let mut judge = TestJudge::counting_to(1).configured(|settings| {
        let covered = &mut settings.policy.scope.restart_policies;
        covered.push(RestartPolicy::Always);
    });
    let pod = pod().restart("Always");
    judge.fail(&pod, NOT_FOUND, 0);
    assert!(decides_to_fail(&judge.fail(&pod, NOT_FOUND, 600)));
}

#[test]
fn what_would_be_done_is_said_once() {
    let judge = TestJudge::counting_to(1).with_mode(NodeMode::Observe);
    let mut judge = judge.with_outcome(Outcome::Due);
    assert!(decides_to_fail(&judge.fail(&pod(), NOT_FOUND, 0)));
    let verdict = judge.fail(&pod(), NOT_FOUND, 26);
    assert_eq!(verdict.decision, Decision::Hold);
    assert!(verdict.reasons.contains(&Reason::AlreadyAnnounced));
    judge.restart();
    assert!(
        !decides_to_fail(&judge.fail(&pod(), NOT_FOUND, 50)),
        "nor after a restart"
    );
    let mut judge = judge.with_mode(NodeMode::Enforce);
    assert!(
        decides_to_fail(&judge.fail(&pod(), NOT_FOUND, 100)),
        "saying is not doing"
    );
}

#[test]
fn while_it_is_reported_or_ended_nothing_is_decided_again() {
    for outcome in [None, Some(Outcome::Written)] {
        let mut judge = TestJudge::counting_to(1).with_outcome(outcome);
        assert!(decides_to_fail(&judge.fail(&pod(), NOT_FOUND, 0)));
        let verdict = judge.fail(&pod(), NOT_FOUND, 26);
        assert_eq!(verdict.decision, Decision::Wait, "{outcome:?}");
    }
}

#[test]
fn all_pulled_settles() {
    let mut judge = TestJudge::counting_to(1);
    let pod = pod().container("d", GOOD).running("d").waiting(
        "c",
        "CreateContainerConfigError",
        "no secret",
    );
    let verdict = judge.see(pod, 0);
    assert!(settles(&verdict, &Reason::AllPulled), "{verdict:?}");
}

/// Whether a Pod failed for its bad image is still due when it is read afresh as this.
#[track_caller]
fn check_look(afresh: &Pod, expected: Result<(), Reason>) {
    let mut judge = TestJudge::counting_to(1);
    let verdict = judge.fail(&pod(), NOT_FOUND, 0);
    let request = request(&verdict).unwrap();
    assert_eq!(
        still_due(request, &policy(NodeMode::Enforce), &afresh.view()),
        expected
    );
}

#[test]
fn the_last_look() {
    let not_waiting = || {
        Err(Reason::NotWaitingForImage {
            image: BAD.to_owned(),
        })
    };
    check_look(&pod().failing(NOT_FOUND), Ok(()));
    check_look(&pod().pausing(NOT_FOUND), Ok(()));
    check_look(&pod().running("c"), not_waiting());
    check_look(&pod().terminated("c"), not_waiting());
    let none_yet = Err(Reason::NoFailureYet {
        image: BAD.to_owned(),
    });
    check_look(&pod().waiting("c", "ContainerCreating", ""), none_yet);
    check_look(
        &pod().waiting("c", "CreateContainerError", ""),
        not_waiting(),
    );
    check_look(
        &Pod::new("p").container("c", GOOD).failing(NOT_FOUND),
        not_waiting(),
    );
    check_look(
        &pod().uid("another").failing(NOT_FOUND),
        Err(Reason::Replaced),
    );
    check_look(
        &pod().phase("Running").failing(NOT_FOUND),
        Err(Reason::NotPending),
    );
    check_look(
        &pod().deleting().failing(NOT_FOUND),
        Err(Reason::Terminating),
    );
    check_look(
        &pod().annotation(MODE, "off").failing(NOT_FOUND),
        Err(Reason::SwitchedOff),
    );
    check_look(
        &pod().annotation(MODE, "observe").failing(NOT_FOUND),
        Err(Reason::NotEnforcedAnyMore),
    );
}
