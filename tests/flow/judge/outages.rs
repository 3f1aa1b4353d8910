//! No false kill: a whole registry is in trouble, and every Pod starts once it is mended.

use std::time::Duration;

use pullwarden::judge::Reason;

use crate::support::fault;
use crate::support::judge::TestJudge;
use crate::support::kubelet::Kubelet;
use crate::support::pod::Pod;
use crate::support::registry::Registry;
use crate::support::simulation::{Simulation, hours, minutes, on_each_node};

/// So many Pods, their images in so many repositories of one registry.
fn crowd(pods: usize, repositories: usize) -> (Vec<Pod>, Vec<String>) {
    let image = |n: usize| format!("r.test/a{}:1", n % repositories);
    let pod = |n: usize| Pod::new(&format!("p{n}")).container("c", &image(n));
    let images = (0..repositories).map(image).collect();
    ((0..pods).map(pod).collect(), images)
}

/// Everything of a registry fails so for so long.
fn check_outage(fault: &str, (pods, images): (Vec<Pod>, Vec<String>), lasts: Duration) {
    on_each_node(|sim| {
        for image in &images {
            sim.image(image, Registry::Has);
        }
        sim.registries(|r| r.outage("r.test", Registry::failing(fault)));
        for pod in &pods {
            sim.start(pod.clone());
        }
        sim.run_until(lasts);
        sim.registries(|r| r.mended("r.test"));
        sim.run_until(lasts + hours(1));
        assert!(images.iter().all(|image| sim.kubelet.has(image)));
    });
}

#[test]
fn a_registry_that_is_away_for_eight_minutes() {
    for fault in [
        fault::NO_HOST,
        fault::REFUSED,
        fault::UNAVAILABLE,
        fault::MISSING,
        fault::UNAUTHORIZED,
    ] {
        for repositories in [1, 20] {
            check_outage(fault, crowd(20, repositories), minutes(8));
        }
    }
}

#[test]
fn a_registry_that_says_of_everything_for_an_hour_that_it_does_not_exist() {
    check_outage(fault::MISSING, crowd(20, 3), hours(1));
}

#[test]
fn a_registry_that_refuses_everything_for_an_hour() {
    check_outage(fault::UNAUTHORIZED, crowd(20, 3), hours(1));
    check_outage(fault::NO_SCOPE, crowd(10, 5), hours(3));
}

#[test]
fn a_storm_of_429_for_hours() {
    check_outage(fault::TOO_MANY, crowd(3, 3), hours(5));
}

/// Pods of three images, of a registry that says of all for so long that they do not exist, after something was pulled from it.
fn check_outage_after_a_pull(fault: &str, before: Duration, lasts: Duration) {
    let images = ["r.test/a:1", "r.test/b:1", "r.test/c:1"];
    on_each_node(|sim| {
        sim.image("r.test/first:1", Registry::Has);
        sim.start(Pod::new("first").container("c", "r.test/first:1"));
        sim.run_until(before);
        sim.registries(|r| r.outage("r.test", Registry::failing(fault)));
        for image in images {
            sim.start(Pod::new(image).container("c", image));
        }
        sim.run_until(before + lasts);
        sim.registries(|r| r.mended("r.test"));
        sim.heals(&images);
    });
}

#[test]
fn a_registry_that_fails_right_after_a_pull() {
    for before in [1, 5, 14, 20] {
        check_outage_after_a_pull(fault::MISSING, minutes(before), minutes(55));
        check_outage_after_a_pull(fault::UNAUTHORIZED, minutes(before), hours(1));
    }
}

#[test]
fn a_new_node_whose_only_repository_is_refused_for_an_hour() {
    for (seed, fault) in (0..).zip(fault::DENIED) {
        for kubelet in [Kubelet::new(), Kubelet::old()] {
            for pods in [1, 10] {
                let mut sim =
                    Simulation::of(kubelet.clone().with_jitter(seed), TestJudge::on_new_node());
                let (pods, images) = crowd(pods, 1);
                sim.image(&images[0], Registry::failing(fault));
                for pod in pods {
                    sim.start(pod);
                }
                sim.run_until(hours(1));
                let new = |reason: &Reason| reason.brake() == Some("new-node");
                assert!(sim.failures.iter().any(|f| f.held(new)), "it was due");
                sim.heals(&[&images[0]]);
                sim.assert_nobody_failed();
            }
        }
    }
}

#[test]
fn a_new_node_whose_registry_refuses_two_repositories_for_an_hour() {
    for seed in 0..30 {
        let mut sim = Simulation::of(Kubelet::new().with_jitter(seed), TestJudge::on_new_node());
        let (pods, images) = crowd(10, 2);
        for image in &images {
            sim.image(image, Registry::Has);
        }
        sim.registries(|r| r.outage("r.test", Registry::failing(fault::UNAUTHORIZED)));
        // Whenever it is mended, some Pod's pull has just failed.
        for (n, pod) in (0..).zip(pods) {
            sim.run_until(Duration::from_secs(30 * n));
            sim.start(pod);
        }
        sim.run_until(hours(1));
        sim.registries(|r| r.mended("r.test"));
        sim.heals(&[&images[0], &images[1]]);
        sim.assert_nobody_failed();
    }
}

/// A mirror has none of these images, and their registry cannot be reached for so long.
fn check_mirror(images: &[&str], lasts: Duration) {
    on_each_node(|sim| {
        sim.registries(|r| r.mirror("r.test", &[]));
        for image in images {
            sim.start(Pod::new(image).container("c", image));
        }
        sim.run_until(lasts);
        sim.registries(|r| r.mended("r.test"));
        sim.heals(images);
    });
}

#[test]
fn a_mirror_without_the_image_while_the_registry_cannot_be_reached() {
    check_mirror(&["r.test/a:1"], minutes(8));
    check_mirror(&["r.test/a:1", "r.test/a:2", "r.test/b:1"], minutes(8));
    let three = ["r.test/a:1", "r.test/b:1", "r.test/c:1"];
    check_mirror(&three, minutes(50));
    let four = ["r.test/a:1", "r.test/b:1", "r.test/c:1", "r.test/d:1"];
    check_mirror(&four, minutes(50));
}
