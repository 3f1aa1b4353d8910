use std::time::Duration;

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
            let log = bed.node.registry_log().unwrap();
            let manifest = "/v2/recovery/missing/manifests/1";
            let attempts = log.iter().filter(|seen| seen.path == manifest).count();
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
            let main = container("main", &image);
            cluster.create(pod("interrupted", vec![main])).await;
            let asked = async || {
                let log = node.registry_log().unwrap();
                let ours = log.iter().filter(|seen| seen.path.contains("/mid-pull/"));
                ours.count()
            };
            for _ in 0..2 {
                let before = asked().await;
                let begun = || async { (asked().await > before).then_some(()) };
                cluster.until("a pull in flight", begun).await;
                node.kill_component(Component::Runtime).unwrap();
                node.start_component(Component::Runtime).unwrap();
            }
            node.heal("mid-pull/good").unwrap();
            let running = || async {
                let pod = cluster.pod("interrupted").await?;
                (phase(&pod) == "Running").then_some(pod)
            };
            assert_untouched(&cluster.until("the Pod to run", running).await);
            for failure in agent.lines_of("failure") {
                assert_eq!(failure["class"], "transient", "{failure}");
            }
        }
    });
}
