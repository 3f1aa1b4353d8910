//! The brakes that go by a registry: many of its repositories fail, or nothing was pulled from it yet.

use std::time::Duration;

use pullwarden::judge::{Reason, Settings};

use crate::support::fault;
use crate::support::judge::{TestJudge, at, decides_to_fail};
use crate::support::kubelet::Kubelet;
use crate::support::pod::{BAD, DENIED, NOT_FOUND, Pod};
use crate::support::registry::Registry;
use crate::support::simulation::{FailedPod, Simulation, hours, minutes};

fn of_registry(reason: &Reason) -> bool {
    reason.brake() == Some("registry")
}

fn of_new_node(reason: &Reason) -> bool {
    reason.brake() == Some("new-node")
}

/// When failures of these Pods were held first for this reason.
fn first_held(sim: &Simulation, by: fn(&Reason) -> bool) -> Duration {
    let held = sim.failures.iter().find(|f| f.held(by));
    held.expect("something is held").at
}

#[test]
fn three_repositories_that_fail_hold_all_of_their_registry_and_two_do_not() {
    for fault in [fault::MISSING, fault::FORBIDDEN, fault::WRONG_DIGEST] {
        let mut two = Simulation::of_failing(
            TestJudge::enforcing(),
            &Pod::of_repositories("r.test", 2),
            fault,
        );
        two.run_until(hours(1));
        assert_eq!(two.failed.len(), 2, "{fault}");
        let mut pods = Pod::of_repositories("r.test", 3);
        pods.extend(Pod::of_repositories("other.test", 1));
        let mut judge = TestJudge::enforcing();
        judge.arrives("other.test/x:1", at(0));
        let mut three = Simulation::of_failing(judge, &pods, fault);
        three.run_until(hours(1));
        let ended: Vec<&str> = three
            .failed
            .iter()
            .map(|e| e.request.pod.name.as_str())
            .collect();
        assert_eq!(ended, ["other.test-0"], "other registries are not held");
        assert!(three.failures.iter().any(|f| f.held(of_registry)));
    }
}

#[test]
fn transient_trouble_of_a_registry_holds_as_well() {
    let mut sim = Simulation::of_failing(
        TestJudge::enforcing(),
        &Pod::of_repositories("r.test", 3),
        fault::NO_HOST,
    );
    sim.run_until(hours(9));
    sim.assert_nobody_failed();
    assert!(first_held(&sim, of_registry) >= hours(6));
}

/// How long the registry's brake held each Pod that was failed in the end.
fn held_by_registry(sim: &Simulation) -> Vec<Duration> {
    let held = |end: &FailedPod| {
        let mut of_pod = sim.failures.iter().filter(|f| f.uid == end.request.pod.uid);
        end.at - of_pod.find(|f| f.held(of_registry)).unwrap().at
    };
    sim.failed.iter().map(held).collect()
}

#[test]
fn a_registry_in_trouble_holds_each_class_for_its_time() {
    for (fault, limit) in [
        (fault::MISSING, Some(hours(1))),
        (fault::FORBIDDEN, Some(hours(6))),
        (fault::WRONG_DIGEST, None),
    ] {
        let mut sim = Simulation::of_failing(
            TestJudge::enforcing(),
            &Pod::of_repositories("r.test", 3),
            fault,
        );
        sim.run_until(hours(24));
        let Some(limit) = limit else {
            sim.assert_nobody_failed();
            continue;
        };
        assert_eq!(sim.failed.len(), 3, "{fault}");
        sim.assert_decided_at_failures();
        for held in held_by_registry(&sim) {
            assert!((limit..limit + minutes(6)).contains(&held), "{held:?}");
        }
    }
}

#[test]
fn three_refused_images_of_one_pod_do_not_hold_it_for_ever() {
    let images = ["r.test/a:1", "r.test/b:1", "r.test/c:1"];
    let pod = Pod::new("p").container("c", images[0]);
    let pod = pod.container("d", images[1]).container("e", images[2]);
    let mut sim = Simulation::of(Kubelet::new(), TestJudge::enforcing());
    for image in images {
        sim.image(image, Registry::failing(fault::UNAUTHORIZED));
    }
    sim.start(pod);
    sim.run_until(hours(6));
    sim.assert_nobody_failed();
    sim.run_until(hours(7));
    assert_eq!(sim.failed.len(), 1);
    sim.assert_decided_at_failures();
}

#[test]
fn a_longer_limit_of_the_registry_brake_holds_refusals_too() {
    let longer = |settings: &mut Settings| settings.brakes.registry.at_most = hours(12);
    let judge = TestJudge::enforcing().configured(longer);
    let pods = Pod::of_repositories("r.test", 3);
    let mut sim = Simulation::of_failing(judge, &pods, fault::FORBIDDEN);
    sim.run_until(hours(12));
    sim.assert_nobody_failed();
    sim.run_until(hours(13));
    assert_eq!(sim.failed.len(), 3);
}

#[test]
fn one_pull_from_a_registry_lets_its_verdicts_go() {
    for fault in [fault::MISSING, fault::FORBIDDEN] {
        let mut sim = Simulation::of_failing(
            TestJudge::enforcing(),
            &Pod::of_repositories("r.test", 3),
            fault,
        );
        sim.run_until(minutes(30));
        sim.assert_nobody_failed();
        sim.image("r.test/good:1", Registry::Has);
        sim.start(Pod::new("good").container("c", "r.test/good:1"));
        sim.run_until(minutes(42));
        assert_eq!(sim.failed.len(), 3, "{fault}: {:#?}", sim.summary());
        sim.assert_decided_at_failures();
    }
}

#[test]
fn a_pull_speaks_for_its_registry_for_fifteen_minutes() {
    // `a` and `b` have been failing when something is pulled; a third repository begins to fail 16 minutes later.
    let pods = Pod::of_repositories("r.test", 3);
    let mut judge = TestJudge::counting_to(99);
    for pod in &pods {
        judge.fail(pod, NOT_FOUND, 0);
    }
    judge.arrives("r.test/good:1", at(60));
    for pod in &pods {
        judge.fail(pod, NOT_FOUND, 120);
    }
    let judge = judge.with_count(Some(1));
    for (second, held) in [(959, false), (960, true)] {
        let verdict = judge.clone().fail(&pods[0], NOT_FOUND, second);
        // The others failed last at 120: lately, until 1020.
        assert_eq!(verdict.reasons.iter().any(of_registry), held, "{second}");
        assert_eq!(decides_to_fail(&verdict), !held);
    }
}

#[test]
fn a_full_disk_is_no_trouble_of_the_registry() {
    let mut judge = TestJudge::counting_to(1);
    for pod in Pod::of_repositories("r.test", 5) {
        judge.fail(&pod, fault::DISK_FULL, 0);
    }
    assert!(decides_to_fail(&judge.fail(&Pod::bad("p"), NOT_FOUND, 1)));
}

#[test]
fn a_new_node_holds_refusals_for_an_hour_at_most() {
    let pod = [Pod::bad("p")];
    let mut sim = Simulation::of_failing(TestJudge::on_new_node(), &pod, fault::UNAUTHORIZED);
    sim.run_until(hours(3));
    let held = sim.failed[0].at - first_held(&sim, of_new_node);
    assert!(
        (hours(1)..hours(1) + minutes(6)).contains(&held),
        "{held:?}"
    );
    sim.assert_decided_at_failures();
}

#[test]
fn a_new_node_holds_nothing_but_refusals() {
    for fault in [fault::MISSING, fault::GARBAGE] {
        let mut sim = Simulation::of_failing(TestJudge::on_new_node(), &[Pod::bad("p")], fault);
        sim.run_until(minutes(21));
        assert_eq!(sim.failed.len(), 1);
        assert!(!sim.failures.iter().any(|f| f.held(of_new_node)));
    }
}

#[test]
fn a_first_pull_lets_the_refusals_of_a_new_node_go() {
    let mut sim = Simulation::of_failing(
        TestJudge::on_new_node(),
        &[Pod::bad("p")],
        fault::UNAUTHORIZED,
    );
    sim.run_until(minutes(30));
    sim.assert_nobody_failed();
    // Of another registry it does not.
    sim.image("other.test/good:1", Registry::Has);
    sim.start(Pod::new("other").container("c", "other.test/good:1"));
    sim.run_until(minutes(42));
    sim.assert_nobody_failed();
    sim.image("r.test/good:1", Registry::Has);
    sim.start(Pod::new("good").container("c", "r.test/good:1"));
    sim.run_until(minutes(54));
    assert_eq!(sim.failed.len(), 1);
    sim.assert_decided_at_failures();
}

#[test]
fn after_a_reboot_the_node_is_new_again() {
    let mut sim = Simulation::of_failing(
        TestJudge::enforcing(),
        &[Pod::bad("p")],
        fault::UNAUTHORIZED,
    );
    sim.run_until(minutes(10));
    sim.reboot();
    sim.run_until(hours(1));
    sim.assert_nobody_failed();
    assert!(sim.failures.iter().any(|f| f.held(of_new_node)));
}

/// A refusal is known, and the image's next pull is refused too; between the two the first image comes to the new node.
fn refused_as_a_pull_comes(judge: TestJudge, known: impl FnOnce(&mut TestJudge)) {
    let mut judge = judge.with_count(Some(2));
    known(&mut judge);
    // The second pull is made at 37 s. The node's credentials come at 40 s.
    judge.arrives("r.test/other:1", at(40));
    let pod = Pod::bad("p");
    let verdict = judge.fail(&pod, DENIED, 49);
    assert!(verdict.reasons.iter().any(of_new_node), "{verdict:?}");
    assert!(decides_to_fail(&judge.fail(&pod, DENIED, 95)));
}

#[test]
fn a_refusal_from_before_the_first_pull_is_held() {
    let pod = Pod::bad("p");
    refused_as_a_pull_comes(TestJudge::on_new_node(), |judge| {
        judge.fail(&pod, DENIED, 12);
    });
    // The first failure is only inferred from the pause after it.
    refused_as_a_pull_comes(TestJudge::on_new_node(), |judge| {
        judge.see(pod.clone().pausing(DENIED), 12);
    });
    // It is known from before the node was started anew.
    refused_as_a_pull_comes(TestJudge::enforcing(), |judge| {
        judge.fail(&pod, DENIED, 5000);
        judge.reboot(at(5));
    });
}

#[test]
fn an_image_that_is_held_does_not_hide_another_one_of_its_pod() {
    let mut pods = Pod::of_repositories("a.test", 3);
    let held = "a.test/a0:1";
    pods[0] = Pod::bad("p").container("d", held);
    let mut sim = Simulation::of_failing(TestJudge::enforcing(), &pods, fault::MISSING);
    sim.image(held, Registry::failing(fault::MISSING));
    sim.image(BAD, Registry::failing(fault::FORBIDDEN));
    sim.run_until(hours(2));
    let end = sim
        .failed_pod(&pods[0])
        .expect("its other image is refused");
    assert!(end.at < minutes(21), "{:?}", end.at);
    assert_eq!(end.request.image, BAD);
}
