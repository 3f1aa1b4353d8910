//! The second opinion: the runtime is asked to pull the image before a Pod is failed.

use pullwarden::cri::Runtime;
use pullwarden::judge::{Asks, Cause, Ending, FailRequest, NodeMode, PodId, Reason};
use pullwarden::report;
use serde_json::Value;
use tokio::sync::Semaphore;
use tonic::{Code, Status};

use super::sparing::until_ended;
use crate::support::apiserver::Kind::{PatchStatus, PostEvent};
use crate::support::node::{Agent, Node};
use crate::support::pod::{BAD, NOT_FOUND};
use crate::support::race::pod;
use crate::support::until;

async fn with_second_opinion(mode: NodeMode) -> (Node, Agent) {
    let mut node = Node::counting_to(1).await;
    node.config.policy.switches.second_opinion = true;
    node.config.policy.mode = mode;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    (node, agent)
}

#[tokio::test]
async fn a_second_opinion_that_pulls_spares_once() {
    let (node, agent) = with_second_opinion(NodeMode::Enforce).await;
    node.runtime.pull_comes_to(Ok(()));
    node.fail_once(&pod());
    let (ending, detail) = until_ended(&node, 1).await;
    assert_eq!(ending, "spared");
    assert!(
        detail.contains("the runtime pulled it when asked"),
        "{detail}"
    );
    assert_eq!(node.runtime.pulls(), [BAD]);
    node.report(&pod().pausing(NOT_FOUND));
    until("the pause is seen", async || {
        agent.failures(&pod()).await == 1
    })
    .await;
    node.turns(2).await;
    node.fail_once(&pod());
    assert_eq!(until_ended(&node, 2).await.0, "written");
    assert_eq!(node.runtime.pulls(), [BAD], "asked once only");
}

#[tokio::test]
async fn a_second_opinion_that_fails_confirms_nothing_and_is_told() {
    let (node, _agent) = with_second_opinion(NodeMode::Enforce).await;
    node.runtime
        .pull_comes_to(Err(Status::new(Code::NotFound, "no such image")));
    node.fail_once(&pod());
    assert_eq!(until_ended(&node, 1).await.0, "written");
    for (kind, at) in [
        (PatchStatus, "/status/conditions/0/message"),
        (PostEvent, "/message"),
    ] {
        let bodies = node.api.bodies(kind);
        let text = bodies[0].pointer(at).and_then(Value::as_str).unwrap();
        assert!(
            text.ends_with("the runtime says: NotFound: no such image"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn who_only_observes_pulls_nothing() {
    let (node, _agent) = with_second_opinion(NodeMode::Observe).await;
    node.runtime.pull_comes_to(Ok(()));
    node.fail_once(&pod());
    assert_eq!(until_ended(&node, 1).await.0, "due");
    assert!(node.runtime.pulls().is_empty());
}

#[tokio::test]
async fn a_second_opinion_that_is_still_pulling_spares() {
    let node = Node::observing().await;
    let mut runtime = Runtime::at(&node.config.startup.cri_socket);
    let mut request = FailRequest {
        pod: PodId {
            uid: "u".to_owned(),
            namespace: "n".to_owned(),
            name: "p".to_owned(),
        },
        image: BAD.to_owned(),
        cause: Cause::ImageNotFound,
        failures: 5,
        lasting: std::time::Duration::ZERO,
        error: String::new(),
        enforce: true,
        known_bad: false,
        asks: Asks {
            is_present: true,
            pull: true,
            second_write: false,
        },
        opinion: None,
    };
    let patience = std::time::Duration::from_millis(300);
    let asked = report::ask(&mut runtime, &Semaphore::new(1), patience, &mut request).await;
    let image = BAD.to_owned();
    assert_eq!(asked, Err(Ending::spared(&Reason::StillPulling { image })));
}
