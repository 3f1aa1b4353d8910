//! No false kill: what fails for a while and heals within the default patience is failed by nobody. `outages.rs` has what befalls whole registries.

use std::time::Duration;

use serde_json::json;

use crate::support::fault;
use crate::support::judge::TestJudge;
use crate::support::kubelet::Kubelet;
use crate::support::pod::{BAD, Pod};
use crate::support::registry::Registry;
use crate::support::simulation::{Simulation, hours, minutes, on_each_node};

fn pod() -> Pod {
    Pod::bad("p")
}

/// The bad image fails so many times and is there then.
fn check_heals_after(failures: usize, faults: &[&str]) {
    for fault in faults {
        on_each_node(|sim| {
            sim.image(BAD, Registry::failing(fault));
            sim.start(pod());
            sim.run_until_failure(&pod(), failures);
            sim.heals(&[BAD]);
            assert!(sim.failures_of(&pod()).count() <= failures + 1);
        });
    }
}

/// The bad image fails for so long and is there then.
fn check_heals_at(at: Duration, faults: &[&str]) {
    for fault in faults {
        on_each_node(|sim| {
            sim.image(BAD, Registry::failing(fault));
            sim.start(pod());
            sim.run_until(at);
            sim.heals(&[BAD]);
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
        on_each_node(|sim| {
            sim.start(pod());
            sim.run_until_failure(&pod(), 2);
            sim.image(BAD, Registry::Takes(minutes(takes)));
            sim.run_until(minutes(takes + 60));
            assert!(sim.kubelet.has(BAD));
        });
    }
}

#[test]
fn an_image_that_is_loaded_onto_the_node_by_hand() {
    for after in [3, 5, 9] {
        on_each_node(|sim| {
            sim.start(pod());
            sim.run_until(minutes(after));
            sim.kubelet.load(BAD);
            sim.run_until(hours(1));
            assert!(sim.failures_of(&pod()).count() <= 6);
        });
    }
}

#[test]
fn a_pull_that_hangs_before_all_others() {
    let images = ["r.test/a:1", "r.test/b:1", BAD];
    for fault in [fault::MISSING, fault::UNAUTHORIZED] {
        on_each_node(|sim| {
            for image in images {
                sim.image(image, Registry::failing(fault));
                sim.start(Pod::new(image).container("c", image));
            }
            sim.run_until(minutes(6));
            for image in images {
                let failures = sim.failures_of(&Pod::new(image)).count();
                assert!(failures >= 5, "the count is reached: {failures}");
            }
            let slow = "other.test/slow:1";
            sim.image(slow, Registry::Hangs);
            sim.start(Pod::new("slow").container("c", slow));
            sim.run_until(hours(8));
            sim.heals(&[images[0], images[1], images[2], slow]);
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
        on_each_node(|sim| {
            sim.image(BAD, Registry::failing(fault));
            sim.start(pod());
            // However often: what came before adds to no duration.
            for boot in 1..=4 {
                sim.run_until(minutes(short * boot));
                sim.reboot();
            }
            sim.run_until(minutes(short * 5));
            assert!(sim.failures.len() >= 5 * 4);
            sim.heals(&[BAD]);
        });
    }
}

#[test]
fn a_reboot_after_which_the_clock_soon_shows_more_than_before() {
    // The first failure was a minute after one boot; after the next it takes five minutes until a pull fails.
    on_each_node(|sim| {
        sim.run_until(minutes(1));
        sim.start(pod());
        sim.run_until(minutes(8));
        sim.image(BAD, Registry::Hangs);
        sim.reboot();
        sim.run_until(minutes(8 + 5));
        sim.image(BAD, Registry::failing(fault::MISSING));
        sim.run_until(minutes(8 + 5) + Duration::from_secs(9 * 60 + 50));
        sim.heals(&[BAD]);
    });
}

#[test]
fn a_kubelet_that_is_restarted_again_and_again() {
    for (fault, until) in [(fault::MISSING, 9), (fault::UNAUTHORIZED, 14)] {
        for every in [5, 20, 45] {
            on_each_node(|sim| {
                sim.image(BAD, Registry::failing(fault));
                sim.start(pod());
                for time in (every..until * 60).step_by(usize::try_from(every).unwrap()) {
                    sim.run_until(Duration::from_secs(time));
                    sim.kubelet.restart();
                }
                sim.heals(&[BAD]);
            });
        }
    }
}

#[test]
fn a_runtime_that_is_away_counts_for_nothing() {
    on_each_node(|sim| {
        sim.image(BAD, Registry::Has);
        sim.kubelet.runtime_down();
        sim.start(pod());
        sim.run_until(hours(24));
        assert!(sim.failures.is_empty());
        sim.kubelet.runtime_up();
        sim.heals(&[BAD]);
    });
}

#[test]
fn a_runtime_that_is_restarted_again_and_again() {
    // Each restart cancels a download that would have come to its end.
    on_each_node(|sim| {
        sim.image(BAD, Registry::Takes(minutes(20)));
        sim.start(pod());
        for restart in 1..=40 {
            sim.run_until(minutes(15 * restart));
            sim.kubelet.runtime_down();
            sim.run_until(minutes(15 * restart + 2));
            sim.kubelet.runtime_up();
        }
        assert!(sim.failures.is_empty());
        sim.heals(&[BAD]);
    });
}

#[test]
fn a_runtime_that_is_restarted_while_an_image_is_missing() {
    on_each_node(|sim| {
        sim.start(pod());
        for minute in 1..9 {
            sim.run_until(minutes(minute));
            sim.kubelet.runtime_down();
            sim.run_until(minutes(minute) + Duration::from_secs(20));
            sim.kubelet.runtime_up();
        }
        sim.heals(&[BAD]);
    });
}

#[test]
fn a_disk_that_is_full_for_hours() {
    for fault in [fault::DISK_FULL, fault::READ_ONLY] {
        on_each_node(|sim| {
            sim.registries(|r| r.node(Some(Registry::failing(fault))));
            sim.image(BAD, Registry::Has);
            sim.start(pod());
            sim.run_until(hours(24));
            assert!(sim.failures.len() > 250);
            sim.registries(|r| r.node(None));
            sim.heals(&[BAD]);
        });
    }
}

#[test]
fn one_trouble_after_the_other() {
    // The registry is away, then refuses while it is being mended, then lacks the image until it is pushed again.
    on_each_node(|sim| {
        sim.image(BAD, Registry::failing(fault::UNAVAILABLE));
        sim.start(pod());
        sim.run_until(hours(5));
        sim.image(BAD, Registry::failing(fault::UNAUTHORIZED));
        sim.run_until(hours(5) + minutes(5));
        sim.image(BAD, Registry::failing(fault::MISSING));
        sim.run_until(hours(5) + minutes(13));
        sim.heals(&[BAD]);
    });
}

#[test]
fn a_stepped_wall_clock_is_not_seen() {
    // What is stamped on a Pod is the wall clock's: whatever it says, the verdict falls at the same moment.
    let when = |stamp: &str| {
        let mut sim = Simulation::of(Kubelet::new(), TestJudge::enforcing());
        let mut pod = pod();
        pod.0["metadata"]["creationTimestamp"] = json!(stamp);
        pod.0["status"]["startTime"] = json!(stamp);
        pod.0["status"]["conditions"][0]["lastTransitionTime"] = json!(stamp);
        sim.start(pod);
        sim.run_until(hours(1));
        sim.failed[0].at
    };
    let now = when("2026-01-01T00:00:00Z");
    assert!(now >= minutes(10), "{now:?}");
    assert_eq!(when("1970-01-01T00:00:00Z"), now);
    assert_eq!(when("2100-01-01T00:00:00Z"), now);
}
