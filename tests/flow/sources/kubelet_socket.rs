//! Evidence from the kubelet's own socket, and the API server in its place.

use std::time::Duration;

use pullwarden::judge::Source;
use pullwarden::metrics::BySource;
use pullwarden::view::EvidenceState;

use crate::support::apiserver::Kind;
use crate::support::node::{Agent, Node};
use crate::support::pod::{DENIED, GOOD, NO_HOST, NOT_FOUND, Pod};
use crate::support::until;

pub fn pod() -> Pod {
    Pod::bad("p")
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A node whose kubelet has its socket.
pub async fn node(count: u32) -> Node {
    let node = Node::counting_to(count).await;
    node.kubelet.up();
    node
}

async fn counted(agent: &Agent, failures: u32) {
    let what = format!("{failures} failures are counted");
    until(&what, async || agent.failures(&pod()).await == failures).await;
}

/// The kubelet repeats nothing of its list any more.
pub fn after_the_list(node: &Node) {
    node.advance(seconds(11));
}

/// A pull fails, is counted as this one, and its pause is seen.
pub async fn fails(node: &Node, agent: &Agent, failures: u32) {
    node.report(&pod().failing(NOT_FOUND));
    counted(agent, failures).await;
    node.report(&pod().pausing(NOT_FOUND));
    pauses(node).await;
}

async fn pauses(node: &Node) {
    until("the pause is seen", async || {
        let lines = node.lines();
        let last = lines.iter().rev().find(|line| line["kind"] == "view");
        last.is_some_and(|line| {
            let state = &line["view"]["containers"][0]["state"];
            state["Waiting"]["reason"] == "ImagePullBackOff"
        })
    })
    .await;
}

pub fn reads(node: &Node) -> usize {
    node.api.count(Kind::List) + node.api.count(Kind::Watch)
}

#[tokio::test]
async fn a_stuck_pod_costs_one_get_two_patches_and_an_event() {
    let node = node(3).await;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    assert_eq!(agent.status().await.evidence_source, Some(Source::Kubelet));
    node.fail_to(&agent, &pod(), 2).await;
    assert!(node.api.kinds().is_empty() && node.api.connections() == 0);
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    let by = BySource { source: "kubelet" };
    let family = &agent.metrics.sources.evidence_source;
    let gauge = family.get_or_create(&by).get();
    assert_eq!(gauge, 1);
    // The kubelet ends it.
    node.report(&pod().terminated("c").phase("Failed"));
    agent.drops(&pod()).await;
    until("no connection remains", async || {
        node.api.connections() == 0
    })
    .await;
    node.remove(&pod());
    until("evidence is closed", async || {
        node.advance(seconds(5));
        node.turns(1).await;
        agent.status().await.evidence == EvidenceState::Closed
    })
    .await;
    until("the socket is closed too", async || {
        node.kubelet.readers() == 0
    })
    .await;
    use Kind::{Get, GetFleet, PatchFleet, PatchPod, PatchStatus, PostEvent};
    let fleet = [GetFleet, PatchFleet];
    let expected = [&[Get], &fleet[..], &[PatchStatus, PatchPod, PostEvent]].concat();
    assert_eq!(node.api.kinds(), expected);
    assert_eq!(node.kubelet.asked(), 1);
    assert_eq!(agent.status().await.evidence_source, None);
}

#[tokio::test]
async fn a_quiet_node_opens_nothing() {
    let node = node(1).await;
    let excluded = pod().namespace("kube-system").failing(NOT_FOUND);
    node.add(&excluded);
    let agent = node.agent();
    for _ in 0..5 {
        node.turns(2).await;
        node.advance(seconds(700));
    }
    assert!(node.api.kinds().is_empty() && node.kubelet.asked() == 0);
    assert!(agent.runs());
}

#[tokio::test]
async fn a_stream_dropped_mid_count_is_opened_anew() {
    let node = node(4).await;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    fails(&node, &agent, 1).await;
    node.report(&pod().failing(NOT_FOUND));
    counted(&agent, 2).await;
    node.kubelet.drop_streams();
    until("it is opened anew", async || node.kubelet.asked() == 2).await;
    node.turns(3).await;
    assert_eq!(
        agent.failures(&pod()).await,
        2,
        "the same failure again is none"
    );
    node.report(&pod().pausing(NOT_FOUND));
    pauses(&node).await;
    after_the_list(&node);
    fails(&node, &agent, 3).await;
    assert!(node.api.kinds().is_empty());
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    assert_eq!(reads(&node), 0);
}

#[tokio::test]
async fn a_restarted_kubelet_repeats_itself_and_nothing_counts_twice() {
    let node = node(4).await;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.report(&pod().failing(DENIED));
    counted(&agent, 1).await;
    node.report(&pod().pausing(DENIED));
    pauses(&node).await;
    fails(&node, &agent, 2).await;
    // It begins with what the API server has, however old.
    node.kubelet.drop_streams();
    node.report(&pod().failing(DENIED));
    until("it is opened anew", async || node.kubelet.asked() == 2).await;
    node.turns(3).await;
    assert_eq!(agent.failures(&pod()).await, 2);
    node.report(&pod().waiting("c", "ContainerCreating", ""));
    fails(&node, &agent, 3).await;
    assert!(node.api.writes().is_empty());
}

#[tokio::test]
async fn the_api_server_stands_in_and_the_kubelet_takes_over_again() {
    let node = node(6).await;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    fails(&node, &agent, 1).await;
    fails(&node, &agent, 2).await;

    node.kubelet.down().await;
    agent.source_is("apiserver").await;
    node.asked(Kind::Watch, 1).await;
    node.turns(2).await;
    assert_eq!(agent.failures(&pod()).await, 2);
    node.advance(seconds(31));
    fails(&node, &agent, 3).await;
    fails(&node, &agent, 4).await;

    node.kubelet.up();
    node.advance(seconds(15));
    node.turns(2).await;
    assert_eq!(
        agent.status().await.evidence_source,
        Some(Source::ApiServer),
        "not every minute yet"
    );
    node.advance(seconds(15));
    agent.source_is("kubelet").await;
    node.turns(2).await;
    assert_eq!(agent.failures(&pod()).await, 4);
    until("the watch is closed", async || node.api.connections() == 0).await;
    after_the_list(&node);
    fails(&node, &agent, 5).await;
    assert_eq!(reads(&node), 2);
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    let message =
        node.api.bodies(Kind::PatchStatus)[0]["status"]["conditions"][0]["message"].clone();
    assert!(message.as_str().unwrap().contains("6 times"), "{message}");
}

#[tokio::test]
async fn what_the_api_server_has_late_is_not_counted_again() {
    let node = node(9).await;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    fails(&node, &agent, 1).await;
    // Only the kubelet's socket shows it yet.
    node.kubelet.show(&pod().failing(NOT_FOUND));
    counted(&agent, 2).await;
    node.kubelet.down().await;
    agent.source_is("apiserver").await;
    node.asked(Kind::Watch, 1).await;
    node.report(&pod().failing(NOT_FOUND));
    node.report(&pod().pausing(NOT_FOUND));
    node.turns(3).await;
    assert_eq!(agent.failures(&pod()).await, 2);
    fails(&node, &agent, 3).await;
}

#[tokio::test]
async fn an_api_server_that_is_away_does_not_matter_until_the_write() {
    let node = node(3).await;
    node.api.down().await;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_to(&agent, &pod(), 2).await;
    assert_eq!(agent.status().await.evidence, EvidenceState::Open);
    node.api.up().await;
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    assert_eq!(reads(&node), 0);
}

#[tokio::test]
async fn garbage_for_one_pod_stops_no_other() {
    let node = node(2).await;
    node.kubelet.show_bytes("a", b"\xff\xff\xff".to_vec());
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    fails(&node, &agent, 1).await;
    for bytes in [&b""[..], b"\x0a\x05\x2a\x03xyz\x1a\x7f", b"\x12\x01\x00"] {
        node.kubelet.show_bytes("a", bytes.to_vec());
    }
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    assert_eq!(reads(&node), 0);
}

#[tokio::test]
async fn a_pod_that_is_deleted_is_dropped() {
    let node = node(9).await;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    fails(&node, &agent, 1).await;
    node.remove(&pod());
    agent.drops(&pod()).await;
    assert!(node.api.kinds().is_empty());
}

#[tokio::test]
async fn a_static_pod_and_a_healthy_one_are_left_alone() {
    let node = node(1).await;
    let fixed = pod().annotation("kubernetes.io/config.source", "file");
    node.add(&fixed.clone().failing(NOT_FOUND));
    let healthy = Pod::new("h")
        .container("c", GOOD)
        .running("c")
        .phase("Running");
    node.add(&healthy);
    let agent = node.agent();
    agent.source_is("kubelet").await;
    node.report(&fixed.clone().pausing(NOT_FOUND));
    node.report(&fixed.failing(NO_HOST));
    node.report(&healthy);
    until("nothing is unsettled", async || {
        node.advance(seconds(5));
        node.turns(1).await;
        let status = agent.status().await;
        status.unsettled == 0 && status.evidence == EvidenceState::Closed
    })
    .await;
    assert!(node.api.kinds().is_empty());
}

#[tokio::test]
async fn an_agent_that_is_restarted_goes_on_counting() {
    let node = node(3).await;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    fails(&node, &agent, 1).await;
    node.report(&pod().failing(NOT_FOUND));
    counted(&agent, 2).await;
    agent.kill().await;
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.turns(3).await;
    assert_eq!(agent.failures(&pod()).await, 2);
    assert!(node.api.kinds().is_empty());
    node.report(&pod().pausing(NOT_FOUND));
    pauses(&node).await;
    after_the_list(&node);
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    assert_eq!(reads(&node), 0);
}
