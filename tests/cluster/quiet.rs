use std::time::Duration;

use serde_json::json;
use testbed::Node;

use crate::agent::Agent;
use crate::audit::requests;
use crate::bed::{Bed, Group};
use crate::cluster::{assert_failed_by_us, phase};
use crate::shapes::{REGISTRY, container, pod};

/// The agent's requests: verb and path, in order.
fn lines(node: &Node) -> Vec<String> {
    let made = requests(node).into_iter();
    made.map(|request| format!("{} {}", request.verb, request.uri))
        .collect()
}

#[test]
fn a_quiet_node_makes_no_request_and_a_stuck_pod_makes_eight() {
    let bed = Bed::of(Group::Quiet);
    bed.node.push_image("quiet/good", "1").unwrap();
    let agent = Agent::enforcing(&bed.node, "quiet")
        .by_apiserver()
        .with_fleet_budget()
        .start();
    let node = &bed.node;
    bed.run("quiet", |cluster| async move {
        let good = format!("{REGISTRY}/quiet/good:1");
        let bad = format!("{REGISTRY}/quiet/missing:1");
        for index in 0..20 {
            cluster
                .create(pod(
                    &format!("good-{index}"),
                    vec![container("main", &good)],
                ))
                .await;
        }
        let mut stuck = pod("out-of-scope", vec![container("main", &bad)]);
        stuck["spec"]["restartPolicy"] = json!("Always");
        cluster.create(stuck).await;
        let all_run = || async {
            let pods = cluster.pods().await;
            (pods.iter().filter(|pod| phase(pod) == "Running").count() == 20).then_some(())
        };
        cluster.until("the good Pods to run", all_run).await;
        let settled = || async {
            let status = agent.status()?;
            // Before its first look an agent knows of nothing that is unsettled.
            let has_looked = status["sandboxes"].as_u64() >= Some(20);
            (has_looked && status["unsettled"] == 0 && status["evidence"] == "closed").then_some(())
        };
        cluster.until("the node to be quiet", settled).await;

        let before = lines(node);
        tokio::time::sleep(Duration::from_secs(120)).await;
        let quiet = lines(node).split_off(before.len());
        assert!(quiet.is_empty(), "{quiet:?}");

        cluster
            .create(pod("bad", vec![container("main", &bad)]))
            .await;
        assert_failed_by_us(&cluster.until_failed("bad").await, "ImageNotFound", &bad);
        let event = || async { (!cluster.events("bad").await.is_empty()).then_some(()) };
        cluster.until("the Event", event).await;
        let made = lines(node).split_off(before.len());
        eprintln!("requests for one stuck Pod:\n  {}", made.join("\n  "));
        let expected = [
            "list /api/v1/pods?",
            "watch /api/v1/pods?",
            "get /api/v1/namespaces/quiet/pods/bad",
            "get /api/v1/namespaces/pullwarden/configmaps/pullwarden-fleet",
            "patch /api/v1/namespaces/pullwarden/configmaps/pullwarden-fleet?",
            "patch /api/v1/namespaces/quiet/pods/bad/status?",
            "patch /api/v1/namespaces/quiet/pods/bad?",
            "create /api/v1/namespaces/quiet/events?",
        ];
        assert_eq!(made.len(), expected.len(), "{made:?}");
        for (made, expected) in made.iter().zip(expected) {
            assert!(made.starts_with(expected), "{made} is not {expected}…");
        }
        assert!(
            made[0].contains("resourceVersion=0"),
            "never list without it: {}",
            made[0]
        );
        let selector = "fieldSelector=spec.nodeName%3Dnode1%2Cstatus.phase%3DPending";
        assert!(
            made[0].contains(selector) && made[1].contains(selector),
            "{made:?}"
        );
    });
}
