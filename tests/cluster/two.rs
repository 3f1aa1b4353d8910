//! Two real nodes in one cluster: an agent on each, held by the policies of deploy/base with its own Pod's token.

use std::sync::Once;

use serde_json::{Value, json};
use testbed::Node;

use crate::agent::{Agent, Plan};
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, name, phase};
use crate::holder::{Ask, Holder};
use crate::policy::{INSTALLED, apply, until_answered, until_running};
use crate::shapes::{REGISTRY, container, job, pod};

/// Settings without the fleet budget.
const ALONE: &str =
    "mode: enforce\nimagePullFailureCount: 4\nwarmUp: 0s\nfleetBudget: {enabled: off}\n";

/// Settings with a fleet budget of three Pods.
const THREE: &str = "mode: enforce\nimagePullFailureCount: 3\nwarmUp: 0s\n\
                     fleetBudget: {pods: 3, perRegistry: 1000, perNamespace: 1000, perOwner: 1000}\n";

/// The tests share the cluster, and two `kubectl apply` at once refuse each other.
static INSTALLING: Once = Once::new();

fn node_name(node: &Node) -> &'static str {
    node.plan().place().name
}

/// A Pod on this node, of such an image.
fn on(node: &Node, name: &str, image: &str) -> Value {
    let mut pod = pod(name, vec![container("main", image)]);
    pod["spec"]["nodeName"] = json!(node_name(node));
    pod
}

/// Installs the policies, and makes the agent's own Pod on each node. Returns when the policies hold both.
async fn prepare(bed: &Bed, cluster: &Cluster, of: &str) -> [Value; 2] {
    bed.node.push_image("two/good", "1").unwrap();
    INSTALLING.call_once(|| apply(&bed.node, &INSTALLED));
    [
        own_pod(cluster, &bed.node, of).await,
        own_pod(cluster, bed.second(), of).await,
    ]
}

async fn own_pod(cluster: &Cluster, node: &Node, of: &str) -> Value {
    let home = Cluster {
        namespace: "pullwarden".to_owned(),
        ..cluster.clone()
    };
    let agent = format!("{of}-{}", node_name(node));
    let mut own = on(node, &agent, &format!("{REGISTRY}/two/good:1"));
    own["spec"]["serviceAccountName"] = json!("pullwarden");
    home.create(own).await;
    let own = until_running(&home, &agent).await;
    let holder = Holder::agent(node, cluster, &own).await;
    let label = json!({"metadata": {"labels": {"pullwarden.io/must-be-denied": "1"}}});
    let path = format!("/api/v1/namespaces/pullwarden/pods/{agent}");
    let ask = Ask::new(&format!("PATCH {path}"), label);
    until_answered(cluster, &holder, &ask, "must-be-denied").await;
    own
}

/// An agent on each node, with its own Pod's token.
async fn agents(bed: &Bed, cluster: &Cluster, of: &str, settings: &str) -> [Agent; 2] {
    let [first, second] = prepare(bed, cluster, of).await;
    let tokens = [
        Holder::token(cluster, &first).await,
        Holder::token(cluster, &second).await,
    ];
    [
        Plan::new(&bed.node, of, settings).held(&first, &tokens[0]),
        Plan::new(bed.second(), of, settings).held(&second, &tokens[1]),
    ]
    .map(Plan::start)
}

/// Reason for which the agent holds a Pod, if it does.
fn held(agent: &Agent, pod: &str) -> Option<String> {
    let status = agent.status()?;
    let pods = status["pods"].as_array()?;
    let found = pods.iter().find(|entry| entry["pod"] == pod)?;
    let reason = found["reasons"].as_array()?.last()?;
    (found["decision"] == "hold").then(|| reason["text"].as_str().map(str::to_owned))?
}

#[test]
fn a_budget_of_three_holds_the_fourth_pod_on_whichever_node() {
    let bed = Bed::of(Group::Two);
    bed.run("own-two-budget", |cluster| async move {
        let bed = Bed::of(Group::Two);
        let agents = agents(&bed, &cluster, "own-two-budget", THREE).await;
        let image = format!("{REGISTRY}/two/missing:1");
        for (index, node) in [&bed.node, bed.second(), &bed.node, bed.second()]
            .into_iter()
            .enumerate()
        {
            cluster
                .create(on(node, &format!("bad-{index}"), &image))
                .await;
        }
        let failed = || async {
            let pods = cluster.pods().await;
            let (failed, pending): (Vec<_>, Vec<_>) =
                pods.into_iter().partition(|pod| phase(pod) == "Failed");
            (failed.len() == 3).then_some((failed, pending))
        };
        let (failed, pending) = cluster.until("three Pods to be failed", failed).await;
        for pod in &failed {
            assert_failed_by_us(pod, "ImageNotFound", &image);
        }
        let [fourth] = &pending[..] else {
            panic!("{pending:?}")
        };
        let nodes = failed.iter().map(|pod| pod["spec"]["nodeName"].as_str());
        assert!(nodes.clone().any(|node| node == Some("node1")));
        assert!(nodes.clone().any(|node| node == Some("node2")));
        let is_first = fourth["spec"]["nodeName"] == "node1";
        let agent = &agents[usize::from(!is_first)];
        let fourth = name(fourth);
        let spent = || async { held(agent, fourth).filter(|why| why.contains("fleet budget")) };
        cluster.until("the fourth to be held", spent).await;
        let before = agent.failures(fourth);
        let again = || async { (agent.failures(fourth) > before).then_some(()) };
        cluster.until("the fourth to fail once more", again).await;
        assert!(held(agent, fourth).is_some());
        assert_eq!(phase(&cluster.pod(fourth).await.unwrap()), "Pending");
        let [first, second] = agents
            .each_ref()
            .map(|agent| agent.reports("written").len());
        assert_eq!(first + second, 3);
    });
}

#[test]
fn a_token_of_one_node_writes_to_no_pod_of_the_other() {
    let bed = Bed::of(Group::Two);
    bed.run("two", |cluster| async move {
        let bed = Bed::of(Group::Two);
        let own = prepare(&bed, &cluster, "two").await;
        let image = format!("{REGISTRY}/two/none:1");
        let nodes = [&bed.node, bed.second()];
        for node in nodes {
            cluster.create(on(node, node_name(node), &image)).await;
        }
        for node in nodes {
            cluster.until_waiting(node_name(node), "ErrImagePull").await;
        }
        let condition = json!({
            "type": pullwarden::pod_fields::CONDITION, "status": "True", "reason": "ImageNotFound",
            "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        for (node, own) in nodes.into_iter().zip(&own) {
            let holder = Holder::agent(node, &cluster, own).await;
            for pod in nodes.map(node_name) {
                let path = cluster.path("api/v1", &format!("pods/{pod}/status"));
                let body = json!({"status": {"conditions": [condition]}});
                let answer = holder
                    .tries(&Ask::new(&format!("PATCH {path}"), body))
                    .await;
                match pod == node_name(node) {
                    true => assert_eq!(answer, "allowed"),
                    false => assert!(answer.contains("Pods of its own node only"), "{answer}"),
                }
            }
        }
    });
}

/// Keeps the scheduler from a node, or no longer.
fn schedule(node: &Node, may: &str, name: &str) {
    let done = node.kubectl().args([may, name]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn a_pod_that_comes_again_on_the_other_node_starts_its_counts_anew() {
    let bed = Bed::of(Group::Two);
    bed.run("own-two-again", |cluster| async move {
        let bed = Bed::of(Group::Two);
        let [first, second] = agents(&bed, &cluster, "own-two-again", ALONE).await;
        let image = format!("{REGISTRY}/two/again:1");
        schedule(&bed.node, "cordon", "node2");
        // A Pod that is deleted counts as one that failed.
        let job = job("again", container("main", &image), 6);
        cluster.create(job).await;
        let pod_on = |node: &'static str| {
            let cluster = cluster.clone();
            async move {
                let pods = cluster.pods_of("again").await;
                pods.into_iter().find(|pod| pod["spec"]["nodeName"] == node)
            }
        };
        let before = cluster.until("a Pod on node1", || pod_on("node1")).await;
        let before = name(&before);
        let twice = || async { (first.failures(before) >= 2).then_some(()) };
        cluster.until("two failures on node1", twice).await;
        schedule(&bed.node, "cordon", "node1");
        schedule(&bed.node, "uncordon", "node2");
        cluster.delete_pod(before).await;
        let after = cluster.until("a Pod on node2", || pod_on("node2")).await;
        schedule(&bed.node, "uncordon", "node1");
        let after = cluster.until_failed(name(&after)).await;
        assert_failed_by_us(&after, "ImageNotFound", &image);
        assert_eq!(second.failures_that_decided(name(&after), &image), 4);
        assert!(bed.second().pulls(&image).unwrap().begun >= 4);
        assert!(first.reports("written").is_empty());
    });
}
