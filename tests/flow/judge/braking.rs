//! The brakes: what holds a verdict that is due, for how long, and what lets it go.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use pullwarden::judge::{ANNOTATION_FAILURE_COUNT, BRAKES, Brake, Reason, Spent};
use serde_json::json;

use crate::support::fault;
use crate::support::generated::{assert_generated, sentences};
use crate::support::judge::{TestJudge, at, decides_to_fail};
use crate::support::kubelet::Kubelet;
use crate::support::pod::{BAD, DENIED, NOT_FOUND, Pod};
use crate::support::random::cases;
use crate::support::simulation::{Failure, Simulation, hours, minutes};

fn of_budget(reason: &Reason) -> bool {
    matches!(reason.brake(), Some("node-budget" | "owner-budget"))
}

fn of_always(reason: &Reason) -> bool {
    reason.brake() == Some("always")
}

fn of_warm_up(reason: &Reason) -> bool {
    reason.brake() == Some("warm-up")
}

#[test]
fn every_brake_is_documented() {
    let item = |brake: &Brake| format!("- `{}`: {}\n", brake.name, sentences(brake.about, "  "));
    let items: String = BRAKES.iter().map(item).collect();
    let marks = [
        "<!-- The list of brakes begins. -->\n",
        "<!-- The list of brakes ends. -->",
    ];
    assert_generated("docs/thresholds.md", marks, &items);
    let names = BRAKES.map(|brake| format!("              \"{}\"", brake.name));
    let before = "\"brakes\": {\n          \"type\": \"array\",\n          \"items\": {\n            \"enum\": [\n";
    let marks = [before, "\n            ]"];
    assert_generated("docs/pulls.schema.json", marks, &names.join(",\n"));
}

#[test]
fn thirty_bad_pods_at_once_are_failed_ten_at_a_time() {
    for kubelet in [Kubelet::new(), Kubelet::old().with_jitter(3)] {
        let mut sim = Simulation::of(kubelet, TestJudge::enforcing());
        for n in 0..30 {
            sim.start(Pod::bad(&format!("p{n}")));
        }
        sim.run_until(hours(2));
        assert_eq!(sim.failed.len(), 30, "all in the end");
        sim.assert_decided_at_failures();
        let times: Vec<Duration> = sim.failed.iter().map(|end| end.at).collect();
        for (first, eleventh) in times.iter().zip(&times[10..]) {
            assert!(*eleventh - *first >= minutes(10), "{times:?}");
        }
        assert!(
            times[9] < minutes(16) && times[29] < minutes(60),
            "{times:?}"
        );
        let held = sim.failures.iter().filter(|f| f.held(of_budget));
        assert!(held.count() >= 20);
        // The second ten at their next failure after the budget is there again.
        for end in &sim.failed[10..] {
            let before = |f: &&Failure| f.uid == end.request.pod.uid && f.at < end.at;
            let last = sim.failures.iter().rfind(before).unwrap();
            assert!(last.held(of_budget), "{:?}", last.verdict);
        }
    }
}

#[test]
fn an_owner_has_a_budget_of_its_own() {
    let mut sim = Simulation::of(Kubelet::new(), TestJudge::enforcing());
    // Pods that fail for the same image count as one. These have an image each, of different registries.
    for n in 0..6 {
        let image = format!("r{n}.test/bad:1");
        let pod = Pod::new(&format!("a{n}")).container("c", &image);
        sim.start(pod.owner("job-a"));
    }
    sim.start(Pod::bad("b").owner("job-b"));
    sim.run_until(hours(1));
    assert_eq!(sim.failed.len(), 7);
    sim.assert_decided_at_failures();
    let of_a = sim.failed.iter().filter(|e| e.request.pod.name != "b");
    let of_a: Vec<Duration> = of_a.map(|end| end.at).collect();
    assert!(of_a[3] - of_a[0] >= minutes(10), "{of_a:?}");
    let b = sim.failed_pod(&Pod::bad("b")).unwrap();
    assert!(b.at < minutes(16), "{:?}", b.at);
}

/// Of each Pod that was failed, how long after its first failure.
fn waits(sim: &Simulation) -> Vec<Duration> {
    let wait = |end: &crate::support::simulation::FailedPod| {
        let mut of_pod = sim.failures.iter().filter(|f| f.uid == end.request.pod.uid);
        end.at - of_pod.next().unwrap().at
    };
    sim.failed.iter().map(wait).collect()
}

fn always(name: &str) -> Pod {
    Pod::bad(name)
        .owner(&format!("owner-of-{name}"))
        .restart("Always")
        .annotation(ANNOTATION_FAILURE_COUNT, "2")
}

#[test]
fn each_new_pod_of_an_owner_waits_twice_as_long() {
    for kubelet in [Kubelet::new(), Kubelet::old().with_jitter(2)] {
        let mut sim = Simulation::of(kubelet, TestJudge::enforcing());
        sim.start_controlled(always("p"));
        sim.run_until(hours(5));
        let waits = waits(&sim);
        let least = [10, 20, 40, 60, 60].map(minutes);
        assert!(waits.len() >= least.len(), "{waits:?}");
        for (wait, least) in waits.iter().zip(least) {
            let due = least..least + minutes(6);
            assert!(due.contains(wait), "{waits:?}");
        }
        assert!(sim.failures.iter().any(|f| f.held(of_always)));
        sim.assert_decided_at_failures();
    }
}

/// A judge that failed so many Pods like `always("p")` at second 0.
fn having_failed(pods: u32) -> TestJudge {
    let mut judge = TestJudge::enforcing();
    judge.keep(|kept| {
        let mut memory = serde_json::to_value(&kept.memory).unwrap();
        let owner = json!({"owner": "owner-of-p", "image": BAD, "verdicts": pods, "last": at(0)});
        memory["repeated"] = json!([owner]);
        kept.memory = serde_json::from_value(memory).unwrap();
    });
    judge
}

#[test]
fn another_owner_and_another_image_wait_ten_minutes() {
    let judge = having_failed(3);
    let other_image = Pod::new("i")
        .container("c", "r.test/other:1")
        .owner("owner-of-p")
        .restart("Always")
        .annotation(ANNOTATION_FAILURE_COUNT, "2");
    for (pod, least) in [(always("q"), 10), (other_image, 10), (always("p"), 60)] {
        let mut sim = Simulation::of(Kubelet::new(), judge.clone());
        sim.start(pod);
        sim.run_until(hours(2));
        let least = minutes(least);
        assert!((least..least + minutes(6)).contains(&waits(&sim)[0]));
    }
}

#[test]
fn an_owner_is_forgiven_after_six_hours() {
    for (later, least) in [(hours(5), 40), (hours(6), 10)] {
        let mut sim = Simulation::of(Kubelet::new(), having_failed(2));
        sim.run_until(later);
        // Whoever is failed meanwhile has nothing to do with it.
        sim.start(Pod::bad("x").annotation(ANNOTATION_FAILURE_COUNT, "1"));
        sim.start(always("p"));
        sim.run_until(later + hours(2));
        let least = minutes(least);
        let waits = waits(&sim);
        assert!((least..least + minutes(6)).contains(&waits[1]), "{waits:?}");
    }
}

#[test]
fn a_restart_of_the_agent_loosens_no_brake() {
    let tell = |restart: bool| {
        let mut pods = Pod::of_repositories("r.test", 3);
        pods.extend((0..13).map(|n| Pod::new(&format!("p{n}")).container("c", "other.test/bad:1")));
        let mut sim = Simulation::of_failing(TestJudge::on_new_node(), &pods, fault::MISSING);
        sim.start_controlled(always("a"));
        for minute in 0..180 {
            sim.run_until(minutes(minute));
            if restart {
                sim.judge.restart();
            }
        }
        sim.summary()
    };
    assert_eq!(tell(true), tell(false));
}

#[test]
fn during_the_warm_up_nobody_is_failed() {
    let mut sim = Simulation::of(Kubelet::new(), TestJudge::counting_to(1).warming_up(600));
    sim.start(Pod::bad("p"));
    sim.run_until(hours(1));
    assert!(sim.failures[0].held(of_warm_up));
    let first = sim.failures.iter().find(|f| f.at >= minutes(10));
    assert_eq!(sim.failed[0].at, first.unwrap().at);
    sim.assert_decided_at_failures();
}

#[test]
fn a_reboot_gives_no_budget_back() {
    let mut sim = Simulation::of(Kubelet::new(), TestJudge::counting_to(2));
    for n in 0..12 {
        sim.start(Pod::bad(&format!("p{n}")));
    }
    sim.run_until(minutes(5));
    assert_eq!(sim.failed.len(), 10);
    sim.reboot();
    sim.run_until(minutes(15));
    assert_eq!(sim.failed.len(), 10, "ten minutes from the reboot on");
    sim.run_until(minutes(25));
    assert_eq!(sim.failed.len(), 12);
}

/// What happens to one of a few Pods at some second.
#[derive(Clone, Copy, Debug)]
enum Step {
    Fails(usize, &'static str),
    /// The clock turns, and all is reported as it was.
    Again(usize),
    Runs(usize),
    Arrives(usize),
    Restarts,
}

const TEXTS: [&str; 4] = [NOT_FOUND, DENIED, fault::WRONG_DIGEST, fault::UNAVAILABLE];

fn step() -> impl Strategy<Value = Step> {
    let pod = 0_usize..5;
    prop_oneof![
        8 => (pod.clone(), proptest::sample::select(&TEXTS[..])).prop_map(|(p, t)| Step::Fails(p, t)),
        3 => pod.clone().prop_map(Step::Again),
        1 => pod.clone().prop_map(Step::Runs),
        1 => pod.prop_map(Step::Arrives),
        1 => Just(Step::Restarts),
    ]
}

fn nth(n: usize) -> Pod {
    let pod = Pod::new(&format!("p{n}")).container("c", &format!("r.test/a{n}:1"));
    match n {
        0 => pod
            .restart("Always")
            .annotation("pullwarden.io/mode", "enforce"),
        _ => pod.owner(if n < 3 { "job-a" } else { "job-b" }),
    }
}

/// Judges one step. Whether it fails the Pod; it may only where it is a newly reported failure.
fn fails(judge: &mut TestJudge, step: Step, second: u64) -> bool {
    match step {
        Step::Fails(n, text) => decides_to_fail(&judge.fail(&nth(n), text, second)),
        Step::Again(n) => {
            let paused = decides_to_fail(&judge.see(nth(n).pausing(NOT_FOUND), second));
            assert!(!paused, "a pause decided");
            false
        }
        Step::Runs(n) => {
            assert!(!decides_to_fail(&judge.see(nth(n).running("c"), second)));
            false
        }
        Step::Arrives(n) => {
            judge.arrives(&format!("r.test/b{n}:1"), at(second));
            false
        }
        Step::Restarts => {
            judge.restart();
            false
        }
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn more_brakes_never_condemn_more(
        steps in vec((step(), 1_u64..400), 1..80),
        warm_up in 0_u64..4000,
        spent_before in 0_usize..12,
        is_new in any::<bool>(),
    ) {
        let mut free = TestJudge::counting_to(2).configured(|settings| {
            settings.brakes.registry.repositories = std::num::NonZeroU32::MAX;
            settings.brakes.new_node = Duration::ZERO;
        });
        let braked = if is_new { TestJudge::on_new_node() } else { TestJudge::enforcing() };
        let mut braked = braked.with_count(Some(2)).warming_up(warm_up);
        let spent = Spent {
            at: at(500),
            owner: "job-a".to_owned(),
            top: None,
            uid: String::new(),
            image: String::new(),
            cause: None,
        };
        let spent = vec![spent; spent_before];
        braked.keep(|kept| kept.memory.spent = spent);
        let mut second = 0;
        for (step, later) in steps {
            second += later;
            let (free, braked) = (fails(&mut free, step, second), fails(&mut braked, step, second));
            prop_assert!(free || !braked, "{step:?} at {second}");
        }
    }
}
