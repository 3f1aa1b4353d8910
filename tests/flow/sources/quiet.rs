//! A node where nothing is Pending asks the API server nothing, and keeps no connection to it.

use pullwarden::view::EvidenceState;

use std::time::Duration;

use crate::support::apiserver::Kind;
use crate::support::node::Node;
use crate::support::pod::{GOOD, NOT_FOUND, Pod};
use crate::support::until;

fn healthy(name: &str) -> Pod {
    Pod::new(name)
        .container("c", GOOD)
        .running("c")
        .phase("Running")
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn an_empty_node_asks_nothing() {
    let node = Node::counting_to(1).await;
    let agent = node.agent();
    for _ in 0..5 {
        node.turns(2).await;
        node.advance(seconds(700));
    }
    assert!(node.api.kinds().is_empty());
    assert!(agent.runs());
}

#[tokio::test]
async fn kube_system_asks_nothing() {
    let node = Node::counting_to(1).await;
    let pod = Pod::bad("p").namespace("kube-system").failing(NOT_FOUND);
    node.add(&pod);
    let _agent = node.agent();
    for _ in 0..5 {
        node.turns(2).await;
        node.advance(seconds(700));
    }
    assert!(node.api.kinds().is_empty());
}

#[tokio::test]
async fn a_pod_with_its_container_is_given_fifteen_seconds() {
    let node = Node::counting_to(1).await;
    let pod = healthy("h");
    node.add(&pod);
    node.runtime.add_container(&pod);
    let _agent = node.agent();
    node.turns(2).await;
    node.advance(seconds(10));
    node.turns(2).await;
    assert!(node.api.kinds().is_empty());
    node.advance(seconds(6));
    node.asked(Kind::List, 1).await;
}

/// The agent's clock goes on in steps until evidence is closed.
async fn closes(node: &Node, agent: &crate::support::node::Agent) {
    until("evidence is closed", async || {
        node.advance(seconds(5));
        node.turns(1).await;
        agent.status().await.evidence == EvidenceState::Closed
    })
    .await;
}

#[tokio::test]
async fn twenty_healthy_pods_settle_and_nothing_is_asked_any_more() {
    let node = Node::counting_to(1).await;
    for n in 0..20 {
        let pod = healthy(&format!("h{n}"));
        node.add(&pod);
        node.runtime.add_container(&pod);
    }
    let agent = node.agent();
    node.turns(1).await;
    node.advance(seconds(15));
    agent.evidence_is(EvidenceState::Open).await;
    closes(&node, &agent).await;
    assert_eq!(node.api.kinds(), [Kind::List, Kind::Watch]);
    until("no connection remains", async || {
        node.api.connections() == 0
    })
    .await;
    for _ in 0..20 {
        node.advance(seconds(600));
        node.turns(1).await;
    }
    assert_eq!(node.api.kinds(), [Kind::List, Kind::Watch]);
}

#[tokio::test]
async fn evidence_stays_thirty_seconds_after_the_last_one_settled() {
    let node = Node::counting_to(3).await;
    let pod = Pod::bad("p");
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    node.report(&pod.clone().running("c").phase("Running"));
    agent.drops(&pod).await;
    node.turns(2).await;
    node.advance(seconds(29));
    node.turns(2).await;
    assert_eq!(agent.status().await.evidence, EvidenceState::Open);
    assert!(node.api.connections() > 0);
    node.advance(seconds(2));
    agent.evidence_is(EvidenceState::Closed).await;
    until("no connection remains", async || {
        node.api.connections() == 0
    })
    .await;
    assert_eq!(node.api.kinds(), [Kind::List, Kind::Watch]);
}

#[tokio::test]
async fn an_out_of_scope_stuck_pod_is_looked_at_every_ten_minutes_only() {
    let node = Node::counting_to(1).await;
    let pod = Pod::bad("p").restart("Always").failing(NOT_FOUND);
    node.add(&pod);
    let agent = node.agent();
    node.asked(Kind::Watch, 1).await;
    closes(&node, &agent).await;
    // Another 540 s, of which at most 40 are used up above.
    for _ in 0..18 {
        node.advance(seconds(30));
        node.turns(0).await;
    }
    assert_eq!(node.api.kinds(), [Kind::List, Kind::Watch]);
    node.advance(seconds(60));
    node.asked(Kind::Watch, 2).await;
    assert!(node.api.writes().is_empty());
}

#[tokio::test]
async fn a_new_pod_opens_evidence_again() {
    let node = Node::counting_to(1).await;
    let first = Pod::bad("p");
    node.add(&first);
    let agent = node.agent();
    agent.judges(&first).await;
    node.remove(&first);
    agent.drops(&first).await;
    closes(&node, &agent).await;
    let second = Pod::bad("q");
    node.add(&second);
    agent.judges(&second).await;
    node.fail_once(&second);
    node.asked(Kind::PatchPod, 1).await;
    assert_eq!(node.api.log().last().unwrap().status, 200);
}

#[tokio::test]
async fn a_pod_quicker_than_a_poll_does_not_keep_evidence_open() {
    let node = Node::counting_to(3).await;
    let stuck = Pod::bad("p");
    node.add(&stuck);
    let agent = node.agent();
    agent.judges(&stuck).await;
    // It is Pending and Running before the runtime is asked again.
    let quick = healthy("quick");
    node.api.store().put(&quick.clone().phase("Pending"));
    node.report(&quick);
    node.turns(2).await;
    node.runtime.add(&quick);
    node.runtime.add_container(&quick);
    node.turns(2).await;
    node.remove(&stuck);
    agent.drops(&stuck).await;
    for _ in 0..20 {
        node.advance(seconds(10));
        node.turns(1).await;
    }
    assert_eq!(
        agent.status().await.evidence,
        EvidenceState::Closed,
        "{:?}",
        agent.status().await
    );
}

#[tokio::test]
async fn a_settled_pod_that_is_due_again_does_not_keep_evidence_open() {
    let node = Node::counting_to(99).await;
    let stuck = Pod::bad("p");
    let out_of_scope = Pod::bad("a")
        .restart("Always")
        .waiting("c", "InvalidImageName", "");
    node.add(&stuck);
    node.add(&out_of_scope);
    let agent = node.agent();
    agent.judges(&stuck).await;
    // The stuck Pod keeps evidence open past the ten minutes.
    for _ in 0..70 {
        node.advance(seconds(10));
        node.turns(0).await;
    }
    node.remove(&stuck);
    agent.drops(&stuck).await;
    for _ in 0..20 {
        node.advance(seconds(10));
        node.turns(1).await;
    }
    assert_eq!(
        agent.status().await.evidence,
        EvidenceState::Closed,
        "{:?}",
        agent.status().await
    );
}
