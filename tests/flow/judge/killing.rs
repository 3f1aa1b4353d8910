//! No missed kill: what does not heal is failed at the failure that is due, not before and not after.

use std::time::Duration;

use pullwarden::judge::{ANNOTATION_FAILURE_COUNT, Class, Decision, NodeMode, Reason, Verdict};
use serde_json::json;

use crate::support::fault;
use crate::support::judge::{TestJudge, request};
use crate::support::kubelet::Kubelet;
use crate::support::pod::{BAD, Pod, back_off};
use crate::support::registry::Registry;
use crate::support::simulation::{FailedPod, Simulation, hours, minutes};

fn pod() -> Pod {
    Pod::bad("p")
}

fn kubelets() -> impl Iterator<Item = Kubelet> {
    let kinds = [Kubelet::new(), Kubelet::old()];
    (1..4).flat_map(move |seed| kinds.clone().map(|kubelet| kubelet.with_jitter(seed)))
}

/// The Pod `p` on each kubelet, its image failing so until then, and its end.
fn ends(judge: &TestJudge, fault: &str, until: Duration) -> Vec<(Simulation, FailedPod)> {
    let tell = |kubelet| {
        let mut sim = Simulation::of(kubelet, judge.clone());
        sim.image(BAD, Registry::failing(fault));
        sim.start(pod());
        sim.run_until(until);
        let end = sim.failed_pod(&pod()).cloned();
        let end = end.unwrap_or_else(|| panic!("not failed in {until:?}: {fault}"));
        (sim, end)
    };
    kubelets().map(tell).collect()
}

fn lasting_faults() -> impl Iterator<Item = &'static str> {
    let lists: [&[&str]; 3] = [&fault::PERMANENT, &fault::DENIED, &fault::CORRUPT];
    lists.into_iter().flatten().copied()
}

#[test]
fn with_a_count_at_exactly_that_failure() {
    for count in [1, 3, 5] {
        for fault in lasting_faults() {
            for (sim, end) in ends(&TestJudge::counting_to(count), fault, minutes(10)) {
                assert_eq!(end.nth, count as usize, "{fault}");
                assert_eq!(end.request.failures, count, "{fault}");
                let tried = sim.kubelet.attempts(pod().has_uid(), BAD);
                assert!(tried - count <= 1, "{tried} tried: {fault}");
            }
        }
    }
}

/// A Pod whose container's image and the image that it mounts can fail, each in its turn: the volume's comes first.
#[test]
fn an_image_volume_counts_for_itself() {
    const MODEL: &str = "r.example/model:1";
    let text = |image: &str| {
        format!(
            "failed to pull and unpack image \"{image}\": failed to resolve image: {image}: not found"
        )
    };
    let pod = || pod().image_volume("c", "model", MODEL);
    let fail = |judge: &mut TestJudge, image: &str, at: u64| {
        let pause = back_off(image, &text(image));
        let verdict = judge.see(pod().failing(&text(image)), at);
        judge.see(pod().waiting("c", "ImagePullBackOff", &pause), at + 10);
        verdict
    };
    let mut judge = TestJudge::counting_to(3);
    for nth in 0..2 {
        let verdict = fail(&mut judge, MODEL, 60 * nth);
        assert_eq!(verdict.decision, Decision::Wait);
    }
    // It has come, for now the container's own image is asked for; what was counted does not go over to that.
    for nth in 2..4 {
        let verdict = fail(&mut judge, BAD, 60 * nth);
        assert_eq!(verdict.decision, Decision::Wait, "{:?}", verdict.reasons);
    }
    let verdict = fail(&mut judge, BAD, 300);
    let due = request(&verdict).unwrap();
    assert_eq!((&due.image[..], due.failures), (BAD, 3));

    let mut judge = TestJudge::counting_to(3);
    let verdicts = [0, 60, 120].map(|at| fail(&mut judge, MODEL, at));
    let due = request(&verdicts[2]).unwrap();
    assert_eq!((&due.image[..], due.failures), (MODEL, 3));
    assert_eq!(judge.failures(&pod()), None, "of the container's image");
}

#[test]
fn with_a_count_of_the_pods_own() {
    let asks = pod().annotation(ANNOTATION_FAILURE_COUNT, "2");
    for kubelet in kubelets() {
        let mut sim = Simulation::of(kubelet, TestJudge::counting_to(5));
        sim.start(asks.clone());
        sim.run_until(hours(1));
        assert_eq!(sim.failed[0].nth, 2);
    }
}

/// Failed at the first failure that is reported after both so many failures and so long.
fn check_threshold(fault: &str, failures: usize, lasting: Duration) {
    for (sim, end) in ends(&TestJudge::enforcing(), fault, lasting + hours(1)) {
        let times: Vec<Duration> = sim.failures_of(&pod()).map(|f| f.at).collect();
        let due = |nth: usize| nth >= failures && times[nth - 1] - times[0] >= lasting;
        let first = (1..=times.len()).find(|nth| due(*nth));
        assert_eq!(first, Some(end.nth), "{fault}: {times:?}");
        assert_eq!(times[end.nth - 1], end.at);
        let pause = Duration::from_secs(320);
        assert!(end.at - times[0] < lasting + pause, "{fault}: {times:?}");
    }
}

#[test]
fn by_default_what_is_permanent_after_ten_minutes() {
    for fault in fault::PERMANENT {
        check_threshold(fault, 5, minutes(10));
    }
}

#[test]
fn by_default_what_is_denied_or_corrupt_after_fifteen_minutes() {
    for fault in fault::DENIED.into_iter().chain(fault::CORRUPT) {
        check_threshold(fault, 5, minutes(15));
    }
}

#[test]
fn by_default_what_may_pass_or_is_not_known_after_six_hours() {
    for fault in fault::PASSING {
        check_threshold(fault, 12, hours(6));
    }
}

#[test]
fn what_is_the_nodes_own_never() {
    for fault in [fault::DISK_FULL, fault::READ_ONLY] {
        for judge in [TestJudge::enforcing(), TestJudge::counting_to(1)] {
            let mut sim = Simulation::of(Kubelet::new(), judge);
            sim.image(BAD, Registry::failing(fault));
            sim.start(pod());
            sim.run_until(hours(30));
            assert!(sim.failures.len() > 300);
            sim.assert_nobody_failed();
        }
    }
}

#[test]
fn a_transient_error_in_between_starts_the_shorter_patience_again() {
    for kubelet in kubelets() {
        let mut sim = Simulation::of(kubelet, TestJudge::enforcing());
        sim.start(pod());
        sim.run_until_failure(&pod(), 5);
        sim.image(BAD, Registry::failing(fault::UNAVAILABLE));
        sim.run_until_failure(&pod(), 6);
        sim.image(BAD, Registry::failing(fault::MISSING));
        sim.run_until(hours(2));
        let times: Vec<Duration> = sim.failures_of(&pod()).map(|f| f.at).collect();
        // The seventh is the first of the new row.
        let due = (10..times.len()).find(|at| times[*at] - times[6] >= minutes(10));
        assert_eq!(sim.failed[0].at, times[due.unwrap()], "{times:?}");
    }
}

/// So many failures of the first fault, then of the second only: the first failure of the row that decides, from 0, and that row's threshold.
fn check_mixture(first: &str, times: usize, then: &str, row: usize, lasting: Duration) {
    for kubelet in kubelets() {
        let mut sim = Simulation::of(kubelet, TestJudge::enforcing());
        sim.image(BAD, Registry::failing(first));
        sim.start(pod());
        sim.run_until_failure(&pod(), times);
        sim.image(BAD, Registry::failing(then));
        sim.run_until(hours(9));
        let seen: Vec<Duration> = sim.failures_of(&pod()).map(|f| f.at).collect();
        let due = (row + 4..seen.len()).find(|at| seen[*at] - seen[row] >= lasting);
        assert_eq!(sim.failed[0].at, seen[due.unwrap()], "{first}, {then}");
    }
}

#[test]
fn mixtures() {
    // A missing image counts towards the patience with refusals and with what is corrupt.
    check_mixture(fault::MISSING, 3, fault::FORBIDDEN, 0, minutes(15));
    check_mixture(fault::MISSING, 3, fault::WRONG_DIGEST, 0, minutes(15));
    // A refusal starts the shorter patience again, and after it that is the first to be over.
    check_mixture(fault::FORBIDDEN, 2, fault::MISSING, 2, minutes(10));
    // Refusals and what is corrupt leave each other's rows alone: neither counts for the other.
    check_mixture(fault::FORBIDDEN, 4, fault::WRONG_DIGEST, 4, minutes(15));
    check_mixture(fault::GARBAGE, 4, fault::UNAUTHORIZED, 4, minutes(15));
    // What is transient starts both again.
    check_mixture(fault::NO_HOST, 6, fault::MISSING, 6, minutes(10));
    check_mixture(fault::STRANGE, 6, fault::FORBIDDEN, 6, minutes(15));
    // The node's own trouble starts everything again.
    check_mixture(fault::DISK_FULL, 8, fault::MISSING, 8, minutes(10));
}

#[test]
fn refusals_are_not_forgotten_over_what_is_corrupt() {
    for kubelet in kubelets() {
        let mut sim = Simulation::of(kubelet, TestJudge::enforcing());
        sim.image(BAD, Registry::failing(fault::FORBIDDEN));
        sim.start(pod());
        sim.run_until_failure(&pod(), 4);
        sim.image(BAD, Registry::failing(fault::WRONG_DIGEST));
        sim.run_until_failure(&pod(), 5);
        sim.image(BAD, Registry::failing(fault::FORBIDDEN));
        sim.run_until(hours(2));
        let seen: Vec<Duration> = sim.failures_of(&pod()).map(|f| f.at).collect();
        let due = (5..seen.len()).find(|at| seen[*at] - seen[0] >= minutes(15));
        assert_eq!(
            sim.failed[0].at,
            seen[due.unwrap()],
            "the row of refusals goes on"
        );
    }
}

#[test]
fn an_image_edited_in_place_starts_at_zero() {
    let other = "r.test/other:1";
    for kubelet in kubelets() {
        let mut sim = Simulation::of(kubelet, TestJudge::counting_to(3));
        sim.start(pod());
        sim.run_until_failure(&pod(), 2);
        sim.run_until(sim.kubelet.now() + Duration::from_secs(1));
        sim.kubelet.edit(pod().has_uid(), "c", other);
        sim.run_until(hours(1));
        let end = sim.failed_pod(&pod()).unwrap();
        assert_eq!((end.nth, end.request.failures), (5, 3), "three of its own");
        assert_eq!(end.request.image, other);
    }
}

#[test]
fn an_image_on_the_node_that_is_always_pulled_with_a_wrong_password() {
    // `imagePullPolicy: Always`: that the image is on the node does not help.
    let mut always = pod();
    always.0["spec"]["containers"][0]["imagePullPolicy"] = json!("Always");
    for kubelet in kubelets() {
        let mut sim = Simulation::of(kubelet, TestJudge::enforcing());
        sim.kubelet.load(BAD);
        sim.image(BAD, Registry::failing(fault::WRONG_PASSWORD));
        sim.start(always.clone());
        sim.run_until(hours(1));
        let end = sim.failed_pod(&pod()).unwrap();
        assert!(!end.request.asks.is_present);
        assert!((minutes(15)..minutes(21)).contains(&end.at), "{:?}", end.at);
    }
}

fn is_sibling(reason: &Reason) -> bool {
    matches!(reason, Reason::PulledByAnother { .. })
}

#[test]
fn an_image_that_another_pod_pulls_between_two_failures_spares_once() {
    // The other Pod's password is right: its pull goes well while this one's goes on failing.
    let mut always = pod();
    always.0["spec"]["containers"][0]["imagePullPolicy"] = json!("Always");
    for kubelet in kubelets() {
        let mut sim = Simulation::of(kubelet, TestJudge::counting_to(3));
        sim.image(BAD, Registry::failing(fault::UNAUTHORIZED));
        sim.start(always.clone());
        sim.run_until_failure(&pod(), 2);
        let now = sim.moment(sim.kubelet.now());
        sim.judge.arrives(BAD, now);
        sim.run_until(hours(1));
        let failures: Vec<_> = sim.failures_of(&pod()).collect();
        assert!(failures[2].held(is_sibling), "{:?}", failures[2].verdict);
        assert_eq!(sim.failed_pod(&pod()).unwrap().nth, 4, "once only");
    }
}

#[test]
fn an_always_pod_that_asks_waits_ten_minutes_whatever_its_count() {
    let asks = pod()
        .restart("Always")
        .annotation(ANNOTATION_FAILURE_COUNT, "1");
    for kubelet in kubelets() {
        let mut sim = Simulation::of(kubelet, TestJudge::enforcing());
        sim.start(asks.clone());
        sim.run_until(hours(1));
        let times: Vec<Duration> = sim.failures_of(&pod()).map(|f| f.at).collect();
        let due = times.iter().find(|at| **at - times[0] >= minutes(10));
        assert_eq!(Some(&sim.failed[0].at), due);
        let waits = |reason: &Reason| reason.brake() == Some("always");
        assert!(sim.failures[0].held(waits));
    }
}

#[test]
fn observing_the_same_is_due_at_the_same_failure() {
    let when = |mode| {
        let judge = TestJudge::enforcing().with_mode(mode);
        let (sim, end) = ends(&judge, fault::MISSING, hours(1)).remove(0);
        assert_eq!(end.request.enforce, mode == NodeMode::Enforce);
        let last: &Verdict = &sim.failures_of(&pod()).nth(end.nth - 1).unwrap().verdict;
        assert!(matches!(last.decision, Decision::Fail(_)));
        assert_eq!(end.request.cause.class(), Class::Permanent);
        (end.at, end.nth)
    };
    assert_eq!(when(NodeMode::Observe), when(NodeMode::Enforce));
}
