//! The pauses before the API server is asked again for evidence.

use std::time::Duration;

use pullwarden::view::EvidenceState;

use crate::support::apiserver::{Act, Kind};
use crate::support::node::Node;
use crate::support::pod::Pod;

/// The longest pause and all of its jitter.
const LONGEST: u64 = 8 + 60;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lists that were made after so many more seconds.
async fn lists_after(node: &Node, passed: u64) -> usize {
    node.advance(seconds(passed));
    node.turns(5).await;
    node.api.count(Kind::List)
}

#[tokio::test]
async fn retry_after_of_a_refused_list_is_obeyed() {
    let node = Node::counting_to(1).await;
    node.api.at(Kind::List, 1, Act::RefuseFor(429, 40));
    node.add(&Pod::bad("p"));
    let agent = node.agent();
    agent.evidence_is(EvidenceState::Lost).await;
    assert_eq!(lists_after(&node, 39).await, 1);
    assert_eq!(lists_after(&node, 1 + LONGEST).await, 2);
    agent.judges(&Pod::bad("p")).await;
}

#[tokio::test]
async fn retry_after_of_a_refused_watch_is_obeyed() {
    let node = Node::counting_to(1).await;
    node.api.at(Kind::Watch, 1, Act::RefuseFor(429, 40));
    node.add(&Pod::bad("p"));
    let agent = node.agent();
    agent.evidence_is(EvidenceState::Lost).await;
    assert_eq!(lists_after(&node, 39).await, 1);
    assert_eq!(lists_after(&node, 1 + LONGEST).await, 2);
}

#[tokio::test]
async fn more_than_a_minute_is_not_waited_for() {
    let node = Node::counting_to(1).await;
    node.api.at(Kind::List, 1, Act::RefuseFor(503, 86_400));
    node.add(&Pod::bad("p"));
    let agent = node.agent();
    agent.evidence_is(EvidenceState::Lost).await;
    assert_eq!(lists_after(&node, 59).await, 1);
    assert_eq!(lists_after(&node, 1 + LONGEST).await, 2);
}

/// As after a restart of the API server: the watch ends, and is not opened by all nodes at once.
#[tokio::test]
async fn nodes_come_back_one_after_the_other() {
    let mut back = Vec::new();
    for name in ["node-1", "node-2", "node-3", "node-4", "node-5"] {
        let mut node = Node::counting_to(1).await;
        node.config.policy.node = name.to_owned();
        let pod = Pod::bad("p").node(name);
        node.add(&pod);
        let agent = node.agent();
        agent.judges(&pod).await;
        node.api.down().await;
        agent.evidence_is(EvidenceState::Lost).await;
        node.api.up().await;
        let mut passed = 0;
        while lists_after(&node, 1).await == 1 {
            passed += 1;
            assert!(passed <= 1 + LONGEST, "{name}");
        }
        back.push(passed);
    }
    let spread = back.iter().max().unwrap() - back.iter().min().unwrap();
    assert!(spread >= 15, "{back:?}");
}
