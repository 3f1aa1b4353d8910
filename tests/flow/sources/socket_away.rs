//! The kubelet's socket while it is away, starting or silent, and who reports in its place.

use pullwarden::config::Evidence;
use pullwarden::judge::Source;
use pullwarden::view::EvidenceState;
use tonic::Status;

use super::kubelet_socket::{after_the_list, fails, node, pod, reads, seconds};
use crate::support::apiserver::Kind;
use crate::support::node::Node;
use crate::support::pod::NOT_FOUND;
use crate::support::until;

#[tokio::test]
async fn a_socket_that_is_replaced_is_found() {
    let mut node = node(9).await;
    node.config.evidence = Evidence::Only(Source::Kubelet);
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    fails(&node, &agent, 1).await;
    node.kubelet.down().await;
    agent.evidence_is(EvidenceState::Lost).await;
    node.kubelet.up();
    until("it is found", async || {
        node.advance(seconds(5));
        node.turns(1).await;
        agent.status().await.evidence == EvidenceState::Open && node.kubelet.readers() > 0
    })
    .await;
    agent.judges(&pod()).await;
    after_the_list(&node);
    fails(&node, &agent, 2).await;
    assert!(node.api.kinds().is_empty());
}

#[tokio::test]
async fn a_kubelet_that_is_starting_is_not_waited_for() {
    let node = node(9).await;
    let starting = Status::failed_precondition("the kubelet is starting");
    node.kubelet.fault(Some(starting));
    node.add(&pod());
    let agent = node.agent();
    agent.source_is("apiserver").await;
    agent.judges(&pod()).await;
    fails(&node, &agent, 1).await;
    assert_eq!(node.kubelet.asked(), 1);
    node.advance(seconds(61));
    until("it is asked again", async || node.kubelet.asked() == 2).await;
    node.turns(2).await;
    assert_eq!(
        agent.status().await.evidence_source,
        Some(Source::ApiServer)
    );
    node.kubelet.fault(None);
    node.advance(seconds(61));
    agent.source_is("kubelet").await;
    node.turns(2).await;
    after_the_list(&node);
    fails(&node, &agent, 2).await;
    assert_eq!(reads(&node), 2, "the API server went on meanwhile");
}

#[tokio::test]
async fn a_socket_that_says_nothing_is_not_waited_for_long() {
    let node = node(9).await;
    node.kubelet.silent(true);
    node.add(&pod());
    let agent = node.agent();
    agent.source_is("apiserver").await;
    agent.judges(&pod()).await;
}

#[tokio::test]
async fn a_socket_that_stops_before_all_are_named_is_lost() {
    let node = node(9).await;
    node.kubelet.silent(true);
    node.add(&pod());
    let agent = node.agent();
    until("the stream is open", async || node.kubelet.readers() == 1).await;
    node.kubelet.show(&pod());
    agent.source_is("apiserver").await;
    agent.judges(&pod()).await;
    assert_eq!(node.kubelet.asked(), 1);
}

#[tokio::test]
async fn without_its_socket_the_kubelet_alone_tells_nothing_and_the_api_server_is_not_asked() {
    let mut node = Node::counting_to(1).await;
    node.config.evidence = Evidence::Only(Source::Kubelet);
    node.add(&pod());
    node.report(&pod().failing(NOT_FOUND));
    let agent = node.agent();
    agent.evidence_is(EvidenceState::Lost).await;
    for _ in 0..5 {
        node.advance(seconds(30));
        node.turns(2).await;
    }
    assert!(node.api.kinds().is_empty() && node.api.connections() == 0);
    assert_eq!(agent.status().await.evidence, EvidenceState::Lost);
    assert_eq!(agent.metrics.sources.evidence_lost.get(), 1);
    node.kubelet.up();
    node.advance(seconds(30));
    node.asked(Kind::PostEvent, 1).await;
    assert_eq!(reads(&node), 0);
}

#[tokio::test]
async fn the_api_server_alone_leaves_the_socket_be() {
    let mut node = node(1).await;
    node.config.evidence = Evidence::Only(Source::ApiServer);
    node.add(&pod());
    let agent = node.agent();
    agent.source_is("apiserver").await;
    agent.judges(&pod()).await;
    node.advance(seconds(61));
    node.turns(2).await;
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    assert_eq!((reads(&node), node.kubelet.asked()), (2, 0));
}
