//! The configuration's file, taken up again when it changes.

use pullwarden::judge::NodeMode;

use std::path::PathBuf;

use crate::support::apiserver::Kind;
use crate::support::node::{Agent, Node};
use crate::support::pod::Pod;
use crate::support::until;

const OBSERVE: &str = "mode: observe\nwarmUp: 0s\nimagePullFailureCount: 3\n";

fn pod() -> Pod {
    Pod::bad("p")
}

/// A node whose agent is configured by a file.
async fn node(text: &str) -> (Node, PathBuf, Agent) {
    let node = Node::observing().await;
    let file = node.path().join("config.yaml");
    std::fs::write(&file, text).unwrap();
    let agent = node.agent_of(&file);
    (node, file, agent)
}

async fn refused(agent: &Agent) -> String {
    until("the file is refused", async || {
        agent.status().await.configuration_refused.is_some()
    })
    .await;
    assert_eq!(agent.metrics.agent.configuration_refused.get(), 1);
    agent.status().await.configuration_refused.unwrap()
}

async fn mode_is(agent: &Agent, mode: NodeMode) {
    let what = format!("the mode is {mode:?}");
    until(&what, async || agent.status().await.mode == mode).await;
}

#[tokio::test]
async fn from_observe_to_enforce_without_a_restart_and_the_counts_are_kept() {
    let (node, file, agent) = node(OBSERVE).await;
    node.add(&pod());
    agent.judges(&pod()).await;
    node.fail_to(&agent, &pod(), 2).await;
    std::fs::write(&file, OBSERVE.replace("observe", "enforce")).unwrap();
    mode_is(&agent, NodeMode::Enforce).await;
    assert_eq!(agent.failures(&pod()).await, 2);
    assert!(node.api.writes().is_empty());
    node.fail_once(&pod());
    node.asked(Kind::PatchPod, 1).await;
}

#[tokio::test]
async fn a_file_with_faults_is_refused_whole_and_the_one_before_stays_in_force() {
    let (node, file, agent) = node(OBSERVE).await;
    node.add(&pod());
    agent.judges(&pod()).await;
    std::fs::write(
        &file,
        "mode: enforce\nimagePullFailureCount: none\npol: 5s\n",
    )
    .unwrap();
    let faults = refused(&agent).await;
    assert!(
        faults.contains("imagePullFailureCount") && faults.contains("pol: is not a known key"),
        "{faults}"
    );
    node.fail_to(&agent, &pod(), 2).await;
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    assert_eq!(node.api.count(Kind::PatchPod), 0, "it observes as before");
    assert_eq!(agent.status().await.mode, NodeMode::Observe);

    std::fs::write(&file, OBSERVE).unwrap();
    until("it is well again", async || {
        agent.status().await.configuration_refused.is_none()
    })
    .await;
    assert_eq!(agent.metrics.agent.configuration_refused.get(), 0);
}

#[tokio::test]
async fn what_takes_a_restart_is_refused() {
    let (_node, file, agent) = node(OBSERVE).await;
    // A flag stands above the file.
    std::fs::write(
        &file,
        format!("{OBSERVE}stateDir: /elsewhere\nownPod: a/b\nmode: enforce\n").replacen(
            "mode: observe\n",
            "",
            1,
        ),
    )
    .unwrap();
    let faults = refused(&agent).await;
    assert!(
        faults.contains("ownPod: is taken up at the start only") && !faults.contains("stateDir"),
        "{faults}"
    );
    assert_eq!(agent.status().await.mode, NodeMode::Observe);
}

#[tokio::test]
async fn a_file_that_is_gone_changes_nothing() {
    let (_node, file, agent) = node(&OBSERVE.replace("observe", "enforce")).await;
    mode_is(&agent, NodeMode::Enforce).await;
    std::fs::remove_file(&file).unwrap();
    let faults = refused(&agent).await;
    assert!(faults.contains("cannot be read"), "{faults}");
    assert_eq!(agent.status().await.mode, NodeMode::Enforce);
}

#[tokio::test]
async fn a_namespace_that_was_left_alone_is_judged_when_it_is_not_any_more() {
    let (node, file, agent) = node(&format!("{OBSERVE}scope: {{excludeNamespaces: [n]}}\n")).await;
    let pod = pod().namespace("n");
    node.add(&pod);
    node.turns(3).await;
    assert!(node.api.kinds().is_empty());
    std::fs::write(&file, OBSERVE).unwrap();
    agent.judges(&pod).await;
    std::fs::write(
        &file,
        format!("{OBSERVE}scope: {{excludeNamespaces: [n]}}\n"),
    )
    .unwrap();
    agent.drops(&pod).await;
}
