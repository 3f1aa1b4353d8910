//! An image is edited in place. The kubelet keeps its last error by the container's name, and shows the new image with the old one's error until
//! the first pull of the new one has ended.

use std::time::Duration;

use crate::support::fault;
use crate::support::judge::{TestJudge, decides_to_fail, request};
use crate::support::kubelet::Kubelet;
use crate::support::pod::{BAD, GOOD, NOT_FOUND, Pod, UNREADABLE_SECRET, back_off};
use crate::support::registry::Registry;
use crate::support::simulation::{Simulation, hours, minutes};

/// What a runtime says that names no image in quotes.
const UNNAMED: &str = "unable to pull image or OCI artifact: pull image err: initializing source docker://r.test/bad:1: reading manifest 1 in r.test/bad: manifest unknown";

fn pod() -> Pod {
    Pod::bad("p")
}

/// The Pod after the edit, as the kubelet shows it from its next sync on.
fn edited() -> Pod {
    pod().edited("c", GOOD)
}

/// A judge that fails the Pod at the first failure, and has held the old image's at second 1.
fn holding(before: &Pod) -> TestJudge {
    let mut judge = TestJudge::counting_to(1).warming_up(2);
    judge.see(before.clone(), 1);
    judge
}

fn failures(judge: &TestJudge, image: &str) -> u32 {
    let images = &judge.ledger().pod("uid-p").unwrap().images;
    images.get(image).map_or(0, |image| image.failures)
}

#[test]
fn an_error_that_names_the_old_image_is_not_the_new_ones() {
    let pause = back_off(BAD, NOT_FOUND);
    for before in [pod(), pod().failing(NOT_FOUND), pod().pausing(NOT_FOUND)] {
        for (reason, message) in [
            ("ErrImagePull", NOT_FOUND),
            ("ImagePullBackOff", &pause),
            (
                "ErrImageNeverPull",
                "Container image \"r.test/bad:1\" is not present with pull policy of Never",
            ),
            (
                "InvalidImageName",
                "Failed to apply default image tag \"r.test/BAD\": no name",
            ),
        ] {
            let mut judge = holding(&before);
            // Its pull takes long.
            for second in [10, 100, 1000, 10_000] {
                let verdict = judge.see(edited().waiting("c", reason, message), second);
                assert!(!decides_to_fail(&verdict), "{reason}: {verdict:?}");
            }
            assert_eq!(failures(&judge, GOOD), 0, "{reason}");
            // The new one's own failure counts, and is its first.
            let own = NOT_FOUND.replace(BAD, GOOD);
            let verdict = judge.see(edited().failing(&own), 10_001);
            assert_eq!(request(&verdict).unwrap().failures, 1, "{reason}");
        }
    }
}

#[test]
fn an_agent_that_starts_after_the_edit_counts_nothing() {
    for report in [
        edited().failing(NOT_FOUND),
        edited().waiting("c", "ImagePullBackOff", &back_off(BAD, NOT_FOUND)),
    ] {
        let mut judge = TestJudge::counting_to(1);
        assert!(!decides_to_fail(&judge.see(report, 1)));
        assert_eq!(failures(&judge, GOOD), 0);
    }
}

#[test]
fn an_unnamed_error_is_the_old_ones_until_it_changes() {
    // The second one: what the old image's last pull came to was not shown before the edit.
    for before in [pod().failing(UNNAMED), pod().pausing(UNNAMED)] {
        let mut judge = holding(&before);
        for second in [10, 20] {
            let verdict = judge.see(edited().failing(UNNAMED), second);
            assert!(!decides_to_fail(&verdict), "{verdict:?}");
        }
        judge.restart();
        assert!(!decides_to_fail(&judge.see(edited().failing(UNNAMED), 30)));
        assert_eq!(failures(&judge, GOOD), 0);
        // The pause is the new image's: it is named. Its failure was not seen.
        let pause = back_off(GOOD, UNNAMED);
        judge.see(edited().waiting("c", "ImagePullBackOff", &pause), 40);
        assert_eq!(failures(&judge, GOOD), 1);
        let verdict = judge.see(edited().failing(UNNAMED), 50);
        assert_eq!(request(&verdict).unwrap().failures, 2);
    }
    let mut judge = holding(&pod().failing(UNNAMED));
    judge.see(edited().failing(UNNAMED), 10);
    let verdict = judge.see(edited().failing("manifest unknown"), 20);
    assert!(decides_to_fail(&verdict), "another error is another pull's");
}

#[test]
fn an_image_that_is_edited_back_starts_at_zero() {
    let mut judge = holding(&pod().failing(NOT_FOUND));
    judge.see(edited().failing(NOT_FOUND), 10);
    let verdict = judge.see(pod().failing(NOT_FOUND), 20);
    assert!(!decides_to_fail(&verdict), "{verdict:?}");
    assert_eq!(failures(&judge, BAD), 0);
}

#[test]
fn an_unreadable_secret_stands_anew_after_an_edit() {
    let mut judge = TestJudge::enforcing();
    let unreadable = |pod: Pod| pod.waiting("c", UNREADABLE_SECRET, UNREADABLE_SECRET);
    judge.see(unreadable(pod()), 0);
    for (hour, expected) in [(5, false), (6, false), (10, false), (11, true)] {
        let verdict = judge.see(unreadable(edited()), hour * 3600);
        assert_eq!(
            decides_to_fail(&verdict),
            expected,
            "six hours after hour 5"
        );
    }
}

#[test]
fn an_unnamed_standing_reason_of_the_old_image_decides_nothing() {
    let stands = |pod: Pod| pod.waiting("c", "InvalidImageName", "no name");
    let mut judge = holding(&stands(pod()));
    for second in [10, 100, 10_000] {
        assert!(!decides_to_fail(&judge.see(stands(edited()), second)));
    }
}

#[test]
fn a_mended_image_that_takes_an_hour_to_pull_is_pulled() {
    for kubelet in [Kubelet::new(), Kubelet::old()] {
        for text in [fault::MISSING, UNNAMED] {
            for later in [1, 15, 27, 60] {
                let judge = TestJudge::counting_to(1).warming_up(5 * 60);
                let mut sim = Simulation::of(kubelet.clone(), judge);
                sim.image(BAD, Registry::failing(text));
                sim.image(GOOD, Registry::Takes(hours(1)));
                sim.start(pod());
                sim.run_until(minutes(4) + Duration::from_secs(later));
                sim.kubelet.edit(pod().has_uid(), "c", GOOD);
                sim.run_until(hours(3));
                sim.assert_nobody_failed();
                assert!(sim.kubelet.has(GOOD));
            }
        }
    }
}
