//! An image is edited in place. The kubelet keeps its last error by the container's name, and shows the new image with the old one's error until
//! the first pull of the new one has ended.

use std::time::Duration;

use crate::support::court::{Court, decides_to_fail, request};
use crate::support::fault;
use crate::support::kubelet::Kubelet;
use crate::support::pod::{BAD, GOOD, NOT_FOUND, Pod, UNREADABLE_SECRET, back_off};
use crate::support::registry::Registry;
use crate::support::story::{Story, hours, minutes};

/// What a runtime says that names no image in quotes.
const UNNAMED: &str = "unable to pull image or OCI artifact: pull image err: initializing source docker://r.test/bad:1: reading manifest 1 in r.test/bad: manifest unknown";

fn pod() -> Pod {
    Pod::bad("p")
}

/// The Pod after the edit, as the kubelet shows it from its next sync on.
fn edited() -> Pod {
    pod().edited("c", GOOD)
}

/// A court that fails the Pod at the first failure, and has held the old image's at second 1.
fn holding(before: &Pod) -> Court {
    let mut court = Court::counting_to(1).warming_up(2);
    court.see(before.clone(), 1);
    court
}

fn failures(court: &Court, image: &str) -> u32 {
    let images = &court.ledger().pod("uid-p").unwrap().images;
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
            let mut court = holding(&before);
            // Its pull takes long.
            for second in [10, 100, 1000, 10_000] {
                let verdict = court.see(edited().waiting("c", reason, message), second);
                assert!(!decides_to_fail(&verdict), "{reason}: {verdict:?}");
            }
            assert_eq!(failures(&court, GOOD), 0, "{reason}");
            // The new one's own failure counts, and is its first.
            let own = NOT_FOUND.replace(BAD, GOOD);
            let verdict = court.see(edited().failing(&own), 10_001);
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
        let mut court = Court::counting_to(1);
        assert!(!decides_to_fail(&court.see(report, 1)));
        assert_eq!(failures(&court, GOOD), 0);
    }
}

#[test]
fn an_unnamed_error_is_the_old_ones_until_it_changes() {
    // The second one: what the old image's last pull came to was not shown before the edit.
    for before in [pod().failing(UNNAMED), pod().pausing(UNNAMED)] {
        let mut court = holding(&before);
        for second in [10, 20] {
            let verdict = court.see(edited().failing(UNNAMED), second);
            assert!(!decides_to_fail(&verdict), "{verdict:?}");
        }
        court.restart();
        assert!(!decides_to_fail(&court.see(edited().failing(UNNAMED), 30)));
        assert_eq!(failures(&court, GOOD), 0);
        // The pause is the new image's: it is named. Its failure was not seen.
        let pause = back_off(GOOD, UNNAMED);
        court.see(edited().waiting("c", "ImagePullBackOff", &pause), 40);
        assert_eq!(failures(&court, GOOD), 1);
        let verdict = court.see(edited().failing(UNNAMED), 50);
        assert_eq!(request(&verdict).unwrap().failures, 2);
    }
    let mut court = holding(&pod().failing(UNNAMED));
    court.see(edited().failing(UNNAMED), 10);
    let verdict = court.see(edited().failing("manifest unknown"), 20);
    assert!(decides_to_fail(&verdict), "another error is another pull's");
}

#[test]
fn an_image_that_is_edited_back_starts_at_zero() {
    let mut court = holding(&pod().failing(NOT_FOUND));
    court.see(edited().failing(NOT_FOUND), 10);
    let verdict = court.see(pod().failing(NOT_FOUND), 20);
    assert!(!decides_to_fail(&verdict), "{verdict:?}");
    assert_eq!(failures(&court, BAD), 0);
}

#[test]
fn an_unreadable_secret_stands_anew_after_an_edit() {
    let mut court = Court::enforcing();
    let unreadable = |pod: Pod| pod.waiting("c", UNREADABLE_SECRET, UNREADABLE_SECRET);
    court.see(unreadable(pod()), 0);
    for (hour, expected) in [(5, false), (6, false), (10, false), (11, true)] {
        let verdict = court.see(unreadable(edited()), hour * 3600);
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
    let mut court = holding(&stands(pod()));
    for second in [10, 100, 10_000] {
        assert!(!decides_to_fail(&court.see(stands(edited()), second)));
    }
}

#[test]
fn a_mended_image_that_takes_an_hour_to_pull_is_pulled() {
    for kubelet in [Kubelet::new(), Kubelet::old()] {
        for text in [fault::MISSING, UNNAMED] {
            for later in [1, 15, 27, 60] {
                let court = Court::counting_to(1).warming_up(5 * 60);
                let mut story = Story::of(kubelet.clone(), court);
                story.registries(|r| r.image(BAD, Registry::failing(text)));
                story.registries(|r| r.image(GOOD, Registry::Takes(hours(1))));
                story.start(pod());
                story.go_on(minutes(4) + Duration::from_secs(later));
                story.kubelet.edit(pod().has_uid(), "c", GOOD);
                story.go_on(hours(3));
                story.nobody();
                assert!(story.kubelet.has(GOOD));
            }
        }
    }
}
