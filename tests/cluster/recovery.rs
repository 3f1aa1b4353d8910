use std::time::Duration;

use testbed::Component;

use crate::agent::Agent;
use crate::bed::{Bed, Group};
use crate::cluster::assert_failed_by_us;
use crate::shapes::{FAULTY, container, pod};

#[test]
fn agent_recovers_from_a_restarted_runtime_and_an_absent_api_server() {
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
