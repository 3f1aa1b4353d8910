//! Known bad: which Pods are failed at their first failure, because one of the same owner was failed.

use std::collections::BTreeMap;

use proptest::prelude::*;
use pullwarden::judge::{ANNOTATION_FAILURE_COUNT, NodeMode, Outcome, Reason, Verdict};

use crate::support::judge::{TestJudge, at, decides_to_fail, request};
use crate::support::kubelet::Kubelet;
use crate::support::pod::{BAD, DENIED, GOOD, NO_HOST, NOT_FOUND, Pod};
use crate::support::random::cases;
use crate::support::registry::Registry;
use crate::support::simulation::{Simulation, hours, minutes};

fn of_job(name: &str) -> Pod {
    Pod::bad(name).owner("job")
}

/// A judge that has failed a Pod of the owner `job` for the bad image, at second 60.
fn after_first() -> TestJudge {
    let mut judge = TestJudge::counting_to(3).with_outcome(Outcome::Written);
    fail_first(&mut judge, 0);
    judge
}

/// Fails a Pod of the owner `job` at its third failure, 60 seconds after `begin`.
fn fail_first(judge: &mut TestJudge, begin: u64) {
    let pod = of_job(&format!("first-{begin}"));
    for (seconds, decides) in [(10, false), (30, false), (60, true)] {
        let verdict = judge.fail(&pod, NOT_FOUND, begin + seconds);
        assert_eq!(decides_to_fail(&verdict), decides, "{verdict:?}");
        assert!(!decides || !request(&verdict).unwrap().known_bad);
    }
}

#[test]
fn a_job_set_that_starts_anew_is_the_same_owner() {
    let of_set = |name: &str, job: &str, set: &str| Pod::bad(name).owner(job).job_set(set);
    let fails_next = |next: Pod| {
        let mut judge = TestJudge::counting_to(3).with_outcome(Outcome::Written);
        for seconds in [10, 30, 60] {
            judge.fail(&of_set("first", "job-1", "5e7"), NOT_FOUND, seconds);
        }
        decides_to_fail(&judge.fail(&next, NOT_FOUND, 70))
    };
    assert!(fails_next(of_set("next", "job-2", "5e7")));
    assert!(!fails_next(of_set("next", "job-2", "5e8")));
    assert!(!fails_next(Pod::bad("next").owner("job-2")));
    // Labels of another namespace's set are no link to it.
    let elsewhere = of_set("next", "job-2", "5e7").namespace("team-b");
    assert!(!fails_next(elsewhere));
}

#[test]
fn a_cron_jobs_next_job_is_the_same_owner() {
    let of = |name: &str, job: &str| Pod::bad(name).owner(job);
    let fails_next = |job: &str| {
        let mut judge = TestJudge::counting_to(3).with_outcome(Outcome::Written);
        for seconds in [10, 30, 60] {
            judge.fail(&of("first", "nightly-29412345"), NOT_FOUND, seconds);
        }
        decides_to_fail(&judge.fail(&of("next", job), NOT_FOUND, 70))
    };
    assert!(fails_next("nightly-29412346"));
    assert!(!fails_next("weekly-29412346") && !fails_next("nightly"));
}

fn texts(verdict: &Verdict) -> Vec<String> {
    verdict.reasons.iter().map(Reason::to_string).collect()
}

#[test]
fn the_next_pod_is_failed_at_its_first_failure() {
    let mut judge = after_first();
    let verdict = judge.fail(&of_job("second"), NOT_FOUND, 70);
    let request = request(&verdict).unwrap();
    assert!(request.known_bad && request.failures == 1);
    let reached = "r.test/bad:1: ImageNotFound, reached: known bad, \
                   the Pod first-0 of the same owner was failed for it 10s ago";
    assert_eq!(texts(&verdict), [reached]);
    // A repeat does not make the hour longer: it begins with the Pod that took three failures.
    assert!(decides_to_fail(&judge.fail(
        &of_job("third"),
        NOT_FOUND,
        3659
    )));
    assert!(!decides_to_fail(&judge.fail(
        &of_job("fourth"),
        NOT_FOUND,
        3661
    )));
}

#[test]
fn a_restart_or_a_reboot_forgets_it() {
    // The rules may have changed while no agent ran.
    let mut judge = after_first();
    judge.restart();
    assert!(!decides_to_fail(&judge.fail(
        &of_job("second"),
        NOT_FOUND,
        70
    )));
    let mut judge = after_first();
    judge.reboot(at(5));
    assert!(!decides_to_fail(&judge.fail(
        &of_job("third"),
        NOT_FOUND,
        10
    )));
}

#[test]
fn a_standing_reason_whose_write_was_refused_is_left_alone_for_a_while() {
    let invalid = |name: &str| of_job(name).waiting("c", "InvalidImageName", "bad");
    let mut judge = TestJudge::counting_to(3).with_outcome(Outcome::Written);
    judge.see(invalid("first"), 0);
    assert!(decides_to_fail(&judge.see(invalid("first"), 60)));
    let mut judge = judge.with_outcome(Outcome::Refused);
    assert!(decides_to_fail(&judge.see(invalid("second"), 61)));
    let again = (62..400).filter(|at| decides_to_fail(&judge.see(invalid("second"), *at)));
    // At 61 it is put off by five minutes.
    assert_eq!(again.collect::<Vec<_>>(), [361]);
}

#[test]
fn another_owner_image_cause_or_count_is_not_known() {
    let others = [
        (Pod::bad("bare"), NOT_FOUND),
        (Pod::bad("other").owner("another job"), NOT_FOUND),
        (
            Pod::new("image").container("c", GOOD).owner("job"),
            NOT_FOUND,
        ),
        (of_job("cause"), DENIED),
        (
            of_job("count").annotation(ANNOTATION_FAILURE_COUNT, "9"),
            NOT_FOUND,
        ),
    ];
    for (pod, error) in others {
        let verdict = after_first().fail(&pod, error, 70);
        assert!(!decides_to_fail(&verdict), "{}: {verdict:?}", pod.name());
    }
}

/// Fails the next Pod for the first time, after something else.
fn next_after(happens: impl FnOnce(&mut TestJudge)) -> bool {
    let mut judge = after_first();
    happens(&mut judge);
    decides_to_fail(&judge.fail(&of_job("next"), NOT_FOUND, 100))
}

#[test]
fn a_pull_another_cause_or_other_rules_forget_it() {
    assert!(next_after(|_| ()));
    assert!(!next_after(|judge| judge.arrives(BAD, at(80))));
    assert!(!next_after(|judge| {
        judge.fail(&of_job("other"), NO_HOST, 80);
    }));
    assert!(!next_after(|judge| {
        judge.see(of_job("other").phase("Running").running("c"), 80);
    }));
    assert!(!next_after(|judge| {
        // Whoever owns it.
        judge.see(Pod::bad("other").running("c"), 80);
    }));
    assert!(!next_after(|judge| judge.configure(|_| ())));
    // The kubelet shows containers that it never started as terminated.
    assert!(next_after(|judge| {
        judge.see(of_job("first-0").phase("Failed").terminated("c"), 80);
    }));
    assert!(next_after(|judge| {
        judge.see(
            Pod::new("good")
                .container("c", GOOD)
                .owner("job")
                .running("c"),
            80,
        );
    }));
}

#[test]
fn an_image_that_is_on_the_node_is_not_known_to_be_bad() {
    for outcome in [Outcome::SparedByRuntime, Outcome::MovedOn] {
        let mut judge = after_first().with_outcome(outcome);
        let verdict = judge.fail(&of_job("second"), NOT_FOUND, 70);
        assert!(request(&verdict).unwrap().asks.is_present);
        for (pod, seconds) in [("second", 90), ("third", 100)] {
            let verdict = judge.fail(&of_job(pod), NOT_FOUND, seconds);
            assert!(!decides_to_fail(&verdict), "{pod}: {verdict:?}");
        }
    }
}

#[test]
fn a_repeat_whose_write_was_refused_makes_no_later_pod_wait_longer() {
    let of_set = |name: &str| {
        of_job(name)
            .restart("Always")
            .annotation(ANNOTATION_FAILURE_COUNT, "3")
    };
    let mut judge = TestJudge::enforcing().with_outcome(Outcome::Written);
    for seconds in [0, 300, 700] {
        judge.fail(&of_set("first"), NOT_FOUND, seconds);
    }
    let mut judge = judge.with_outcome(Outcome::Refused);
    judge.fail(&of_set("second"), NOT_FOUND, 710);
    let verdict = judge.fail(&of_set("second"), NOT_FOUND, 2000);
    assert!(request(&verdict).unwrap().known_bad, "{verdict:?}");
    judge.keep(|kept| assert_eq!(kept.memory.verdicts(&of_set("third").view(), BAD), 1));
}

#[test]
fn only_a_pod_that_was_failed_for_lasting_reasons_teaches() {
    for outcome in [Outcome::Due, Outcome::Refused, Outcome::MovedOn] {
        let mut judge = TestJudge::counting_to(3).with_outcome(outcome);
        fail_first(&mut judge, 0);
        let verdict = judge.fail(&of_job("second"), NOT_FOUND, 70);
        assert!(!decides_to_fail(&verdict), "{outcome:?}");
    }
    // Hours of timeouts, and one "not found" at the end.
    let mut judge = TestJudge::enforcing().with_outcome(Outcome::Written);
    let pod = of_job("first");
    let hour = 3600;
    for n in 0..12 {
        assert!(!decides_to_fail(&judge.fail(&pod, NO_HOST, n * 600)));
    }
    assert!(decides_to_fail(&judge.fail(&pod, NOT_FOUND, 6 * hour)));
    let next = judge.fail(&of_job("second"), NOT_FOUND, 6 * hour + 10);
    assert!(!decides_to_fail(&next), "{next:?}");
}

#[test]
fn in_observe_mode_nothing_is_learned() {
    let mut judge = TestJudge::counting_to(3)
        .with_mode(NodeMode::Observe)
        .with_outcome(Outcome::Due);
    fail_first(&mut judge, 0);
    assert!(!decides_to_fail(&judge.fail(
        &of_job("second"),
        NOT_FOUND,
        70
    )));
}

#[test]
fn a_pod_first_seen_in_the_pause_waits_for_its_next_failure() {
    let mut judge = after_first();
    let pod = of_job("second");
    let verdict = judge.see(pod.clone().not_found_pausing(), 70);
    assert!(!decides_to_fail(&verdict), "{verdict:?}");
    let awaits = |r: &Reason| matches!(r, Reason::AwaitsNextFailure { .. });
    assert!(verdict.reasons.iter().any(awaits), "{verdict:?}");
    assert!(decides_to_fail(&judge.fail(&pod, NOT_FOUND, 80)));
}

#[test]
fn a_standing_reason_that_is_known_decides_at_once() {
    let mut judge = TestJudge::counting_to(3).with_outcome(Outcome::Written);
    let invalid = |name: &str| of_job(name).waiting("c", "InvalidImageName", "bad");
    assert!(!decides_to_fail(&judge.see(invalid("first"), 0)));
    assert!(decides_to_fail(&judge.see(invalid("first"), 60)));
    assert!(decides_to_fail(&judge.see(invalid("second"), 61)));
    let other = Pod::bad("other").waiting("c", "InvalidImageName", "bad");
    assert!(!decides_to_fail(&judge.see(other, 62)));
}

#[test]
fn repeats_cost_the_node_one_place_an_hour() {
    let mut judge = after_first().configured(|settings| settings.brakes.budget.pods = 2);
    fail_first(&mut judge, 100);
    for n in 0..20 {
        let pod = of_job(&format!("next-{n}"));
        let verdict = judge.fail(&pod, NOT_FOUND, 200 + n);
        assert!(decides_to_fail(&verdict), "{n}: {verdict:?}");
    }
    // The two that took three failures have spent the budget; they are of one owner and image.
    let mut other = |seconds| judge.fail(&Pod::bad("other").owner("another"), NOT_FOUND, seconds);
    let verdicts = [300, 310, 320].map(&mut other);
    let by_node = |reason: &Reason| reason.brake() == Some("node-budget");
    assert!(verdicts[2].reasons.iter().any(by_node), "{verdicts:?}");
}

#[test]
fn parallel_pods_of_one_owner_do_not_wait_for_its_budget() {
    let mut sim = Simulation::of(Kubelet::new(), TestJudge::enforcing());
    for n in 0..6 {
        sim.start(of_job(&format!("step-{n}")));
    }
    sim.run_until(hours(1));
    assert_eq!(sim.failed.len(), 6);
    sim.assert_decided_at_failures();
    let last = sim.failed.last().unwrap().at;
    assert!(last < minutes(16), "{:#?}", sim.summary());
}

#[test]
fn the_job_of_one_pod_after_the_other_needs_one_failure_each() {
    let mut sim = Simulation::of(Kubelet::new(), TestJudge::counting_to(3));
    sim.start_controlled(of_job("first"));
    sim.run_until(minutes(30));
    assert!(sim.failed.len() > 20, "{:#?}", sim.summary());
    assert_eq!(sim.failed[0].nth, 3);
    assert!(sim.failed[1..].iter().all(|pod| pod.nth == 1));
    // It is pushed late: the Pod of the time pulls it.
    sim.image(BAD, Registry::Has);
    sim.run_until(hours(1));
    assert!(sim.kubelet.has(BAD));
}

/// Step of a random test, on the current Pod of an owner and an image.
#[derive(Clone, Copy, Debug)]
enum Step {
    Fails(&'static str),
    Pulls,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Fails(NOT_FOUND)),
        3 => Just(Step::Fails(DENIED)),
        1 => Just(Step::Fails(NO_HOST)),
        1 => Just(Step::Pulls),
        1 => Just(Step::Restart),
    ]
}

/// Failures without a pull or a passing cause among them, of one owner and image.
#[derive(Clone, Copy, Default)]
struct Streak {
    length: u32,
    last: Option<&'static str>,
}

proptest! {
    #![proptest_config(cases(96))]

    /// Whoever is failed before its own third failure has, with the Pods of its owner before it, a
    /// streak of more than three without a pull, and the last two failures have the same cause.
    #[test]
    fn a_pod_is_failed_early_only_within_a_streak_of_its_owner(
        steps in proptest::collection::vec((step(), 0..2_usize, 0..2_usize, 1_u64..300), 1..120),
    ) {
        let mut judge = TestJudge::counting_to(3)
            .with_outcome(Outcome::Written)
            .configured(|settings| settings.brakes.budget.pods = u32::MAX);
        let (owners, images) = (["job-a", "job-b"], [BAD, "r.test/worse:1"]);
        let mut streaks: BTreeMap<(usize, usize), Streak> = BTreeMap::new();
        let mut current: BTreeMap<(usize, usize), u32> = BTreeMap::new();
        let mut now = 0;
        for (step, owner, image, later) in steps {
            now += later;
            let key = (owner, image);
            let number = *current.entry(key).or_default();
            let name = format!("{owner}-{image}-{number}");
            let pod = Pod::new(&name).container("c", images[image]).owner(owners[owner]);
            match step {
                Step::Restart => judge.restart(),
                Step::Pulls => {
                    judge.see(pod.running("c"), now);
                    judge.arrives(images[image], at(now));
                    streaks.retain(|(_, of), _| *of != image);
                    *current.entry(key).or_default() += 1;
                }
                Step::Fails(error) => {
                    let streak = streaks.entry(key).or_default();
                    let is_same = streak.last == Some(error);
                    streak.last = Some(error);
                    streak.length = if error == NO_HOST { 0 } else { streak.length + 1 };
                    let verdict = judge.fail(&pod, error, now);
                    if let Some(request) = request(&verdict) {
                        let is_early = request.failures < 3;
                        prop_assert!(!is_early || (streak.length > 3 && is_same), "{verdict:?}");
                        *current.entry(key).or_default() += 1;
                    }
                }
            }
        }
    }
}
