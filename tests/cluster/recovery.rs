use std::time::Duration;

use pullwarden::judge::ANNOTATION_FAILURE_COUNT;
use serde_json::json;
use testbed::{Component, Fault};

use crate::agent::Agent;
use crate::bed::{Bed, Group};
use crate::cluster::{assert_failed_by_us, assert_untouched, phase};
use crate::shapes::{FAULTY, container, pod};

#[test]
pub fn agent_recovers_from_a_restarted_runtime_and_an_absent_api_server() {
    let bed = Bed::of(Group::Recovery);
    let mut agent = Agent::enforcing(&bed.node, "recovery")
        .by_apiserver()
        .start();
    bed.run("recovery", |cluster| {
        let (bed, agent) = (&bed, &agent);
        async move {
            let image = format!("{FAULTY}/recovery/missing:1");
            cluster
                .create(pod("a", vec![container("main", &image)]))
                .await;
            let one = || async { (agent.failures("a") >= 1).then_some(()) };
            cluster.until("the first failure", one).await;

            bed.node.restart_component(Component::Runtime).unwrap();
            bed.node.stop_component(Component::Apiserver).unwrap();
            tokio::time::sleep(Duration::from_secs(30)).await;
            assert_eq!(
                agent.failures_logged("a"),
                1,
                "nothing is invented meanwhile"
            );
            bed.node.start_component(Component::Apiserver).unwrap();

            assert_failed_by_us(&cluster.until_failed("a").await, "ImageNotFound", &image);
            let attempts = bed.node.pulls(&image).unwrap().begun;
            let counted = agent.failures_logged("a");
            assert!(
                counted == 3 && counted <= attempts,
                "{counted} counted, {attempts} made"
            );
        }
    });
    assert!(agent.is_running(), "it is the same process");
    assert!(agent.log().contains("evidence from the API server is lost"));
}

/// A pull that ends with the runtime says nothing of the image.
#[test]
pub fn a_pull_that_ends_with_the_runtime_is_never_held_against_the_image() {
    let bed = Bed::of(Group::MidPull);
    let agent = Agent::enforcing(&bed.node, "mid-pull").start();
    bed.run("mid-pull", |cluster| {
        let (node, agent) = (&bed.node, &agent);
        async move {
            node.push_image("mid-pull/good", "1").unwrap();
            node.set_fault("mid-pull/good", Fault::Hang).unwrap();
            let image = format!("{FAULTY}/mid-pull/good:1");
            // Its first failure would be its last, if it were the image's.
            let mut interrupted = pod("interrupted", vec![container("main", &image)]);
            interrupted["metadata"]["annotations"] = json!({ANNOTATION_FAILURE_COUNT: "1"});
            cluster.create(interrupted).await;
            let asked = || {
                let log = node.registry_log().unwrap();
                let ours = log.iter().filter(|seen| seen.path.contains("/mid-pull/"));
                ours.count()
            };
            let mut before = 0;
            for is_last in [false, true] {
                let begun = || async { (asked() > before).then_some(()) };
                cluster.until("a pull in flight", begun).await;
                before = asked();
                node.kill_component(Component::Runtime).unwrap();
                if is_last {
                    node.heal("mid-pull/good").unwrap();
                }
                node.start_component(Component::Runtime).unwrap();
            }
            let running = || async {
                let pod = cluster.pod("interrupted").await?;
                (phase(&pod) == "Running").then_some(pod)
            };
            assert_untouched(&cluster.until("the Pod to run", running).await);
            for failure in agent.lines_of("failure") {
                let class = failure["class"].as_str().unwrap();
                assert!(["transient", "node"].contains(&class), "{failure}");
            }
        }
    });
}
