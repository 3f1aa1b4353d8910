//! No false kill: what fails for a while and heals within the default patience is failed by nobody. `outages.rs` has what befalls whole registries.

use std::time::Duration;

use serde_json::json;

use crate::support::court::Court;
use crate::support::fault;
use crate::support::kubelet::Kubelet;
use crate::support::pod::{BAD, Pod};
use crate::support::registry::Registry;
use crate::support::story::{Story, everywhere, hours, minutes};

fn pod() -> Pod {
    Pod::bad("p")
}

/// The bad image fails so many times and is there then.
fn check_heals_after(failures: usize, faults: &[&str]) {
    for fault in faults {
        everywhere(|story| {
            story.registries(|r| r.image(BAD, Registry::failing(fault)));
            story.start(pod());
            story.go_on_to_failure(&pod(), failures);
            story.heals(&[BAD]);
            assert!(story.failures_of(&pod()).count() <= failures + 1);
        });
    }
}

/// The bad image fails for so long and is there then.
fn check_heals_at(at: Duration, faults: &[&str]) {
    for fault in faults {
        everywhere(|story| {
            story.registries(|r| r.image(BAD, Registry::failing(fault)));
            story.start(pod());
            story.go_on(at);
            story.heals(&[BAD]);
        });
    }
}

#[test]
fn what_is_permanent_and_heals_after_two_failures() {
    check_heals_after(2, &fault::PERMANENT);
}

#[test]
fn what_is_denied_or_corrupt_and_heals_after_four_failures() {
    check_heals_after(4, &fault::DENIED);
    check_heals_after(4, &fault::CORRUPT);
}

#[test]
fn what_is_transient_and_heals_after_five_failures() {
    check_heals_after(5, &fault::PASSING);
}

#[test]
fn an_image_that_is_pushed_late() {
    check_heals_at(minutes(5), &fault::PERMANENT);
    check_heals_at(Duration::from_secs(9 * 60 + 50), &fault::PERMANENT);
}

#[test]
fn credentials_that_are_added_late() {
    check_heals_at(minutes(14), &fault::DENIED);
    check_heals_at(minutes(14), &fault::CORRUPT);
}

#[test]
fn what_is_transient_for_five_hours() {
    check_heals_at(hours(5), &fault::PASSING);
}

#[test]
fn a_slow_pull_after_two_failures() {
    for takes in [10, 120] {
        everywhere(|story| {
            story.start(pod());
            story.go_on_to_failure(&pod(), 2);
            story.registries(|r| r.image(BAD, Registry::Takes(minutes(takes))));
            story.go_on(minutes(takes + 60));
            assert!(story.kubelet.has(BAD));
        });
    }
}

#[test]
fn an_image_that_is_loaded_onto_the_node_by_hand() {
    for after in [3, 5, 9] {
        everywhere(|story| {
            story.start(pod());
            story.go_on(minutes(after));
            story.kubelet.load(BAD);
            story.go_on(hours(1));
            assert!(story.failures_of(&pod()).count() <= 6);
        });
    }
}

#[test]
fn a_pull_that_hangs_before_all_others() {
    let images = ["r.test/a:1", "r.test/b:1", BAD];
    for fault in [fault::MISSING, fault::UNAUTHORIZED] {
        everywhere(|story| {
            for image in images {
                story.registries(|r| r.image(image, Registry::failing(fault)));
                story.start(Pod::new(image).container("c", image));
            }
            story.go_on(minutes(6));
            for image in images {
                let failures = story.failures_of(&Pod::new(image)).count();
                assert!(failures >= 5, "the count is reached: {failures}");
            }
            let slow = "other.test/slow:1";
            story.registries(|r| r.image(slow, Registry::Hangs));
            story.start(Pod::new("slow").container("c", slow));
            story.go_on(hours(8));
            story.heals(&[images[0], images[1], images[2], slow]);
        });
    }
}

#[test]
fn a_reboot_in_the_middle() {
    for (fault, short) in [
        (fault::MISSING, 9),
        (fault::FORBIDDEN, 14),
        (fault::GARBAGE, 14),
    ] {
        everywhere(|story| {
            story.registries(|r| r.image(BAD, Registry::failing(fault)));
            story.start(pod());
            // However often: what came before adds to no duration.
            for boot in 1..=4 {
                story.go_on(minutes(short * boot));
                story.reboot();
            }
            story.go_on(minutes(short * 5));
            assert!(story.failures.len() >= 5 * 4);
            story.heals(&[BAD]);
        });
    }
}

#[test]
fn a_reboot_after_which_the_clock_soon_shows_more_than_before() {
    // The first failure was a minute after one boot; after the next it takes five minutes until a pull fails.
    everywhere(|story| {
        story.go_on(minutes(1));
        story.start(pod());
        story.go_on(minutes(8));
        story.registries(|r| r.image(BAD, Registry::Hangs));
        story.reboot();
        story.go_on(minutes(8 + 5));
        story.registries(|r| r.image(BAD, Registry::failing(fault::MISSING)));
        story.go_on(minutes(8 + 5) + Duration::from_secs(9 * 60 + 50));
        story.heals(&[BAD]);
    });
}

#[test]
fn a_kubelet_that_is_restarted_again_and_again() {
    for (fault, until) in [(fault::MISSING, 9), (fault::UNAUTHORIZED, 14)] {
        for every in [5, 20, 45] {
            everywhere(|story| {
                story.registries(|r| r.image(BAD, Registry::failing(fault)));
                story.start(pod());
                for time in (every..until * 60).step_by(usize::try_from(every).unwrap()) {
                    story.go_on(Duration::from_secs(time));
                    story.kubelet.restart();
                }
                story.heals(&[BAD]);
            });
        }
    }
}

#[test]
fn a_runtime_that_is_away_counts_for_nothing() {
    everywhere(|story| {
        story.registries(|r| r.image(BAD, Registry::Has));
        story.kubelet.runtime_down();
        story.start(pod());
        story.go_on(hours(24));
        assert!(story.failures.is_empty());
        story.kubelet.runtime_up();
        story.heals(&[BAD]);
    });
}

#[test]
fn a_runtime_that_is_restarted_again_and_again() {
    // Each restart cancels a download that would have come to its end.
    everywhere(|story| {
        story.registries(|r| r.image(BAD, Registry::Takes(minutes(20))));
        story.start(pod());
        for restart in 1..=40 {
            story.go_on(minutes(15 * restart));
            story.kubelet.runtime_down();
            story.go_on(minutes(15 * restart + 2));
            story.kubelet.runtime_up();
        }
        assert!(story.failures.is_empty());
        story.heals(&[BAD]);
    });
}

#[test]
fn a_runtime_that_is_restarted_while_an_image_is_missing() {
    everywhere(|story| {
        story.start(pod());
        for minute in 1..9 {
            story.go_on(minutes(minute));
            story.kubelet.runtime_down();
            story.go_on(minutes(minute) + Duration::from_secs(20));
            story.kubelet.runtime_up();
        }
        story.heals(&[BAD]);
    });
}

#[test]
fn a_disk_that_is_full_for_hours() {
    for fault in [fault::DISK_FULL, fault::READ_ONLY] {
        everywhere(|story| {
            story.registries(|r| r.node(Some(Registry::failing(fault))));
            story.registries(|r| r.image(BAD, Registry::Has));
            story.start(pod());
            story.go_on(hours(24));
            assert!(story.failures.len() > 250);
            story.registries(|r| r.node(None));
            story.heals(&[BAD]);
        });
    }
}

#[test]
fn one_trouble_after_the_other() {
    // The registry is away, then refuses while it is being mended, then lacks the image until it is pushed again.
    everywhere(|story| {
        story.registries(|r| r.image(BAD, Registry::failing(fault::UNAVAILABLE)));
        story.start(pod());
        story.go_on(hours(5));
        story.registries(|r| r.image(BAD, Registry::failing(fault::UNAUTHORIZED)));
        story.go_on(hours(5) + minutes(5));
        story.registries(|r| r.image(BAD, Registry::failing(fault::MISSING)));
        story.go_on(hours(5) + minutes(13));
        story.heals(&[BAD]);
    });
}

#[test]
fn a_stepped_wall_clock_is_not_seen() {
    // What is stamped on a Pod is the wall clock's: whatever it says, the verdict falls at the same moment.
    let when = |stamp: &str| {
        let mut story = Story::of(Kubelet::new(), Court::enforcing());
        let mut pod = pod();
        pod.0["metadata"]["creationTimestamp"] = json!(stamp);
        pod.0["status"]["startTime"] = json!(stamp);
        pod.0["status"]["conditions"][0]["lastTransitionTime"] = json!(stamp);
        story.start(pod);
        story.go_on(hours(1));
        story.ends[0].at
    };
    let now = when("2026-01-01T00:00:00Z");
    assert!(now >= minutes(10), "{now:?}");
    assert_eq!(when("1970-01-01T00:00:00Z"), now);
    assert_eq!(when("2100-01-01T00:00:00Z"), now);
}
