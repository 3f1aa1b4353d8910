//! Who is not named, is out of scope, or left while nobody looked: what is known of it ends, and it is looked at again where it must be.

use pullwarden::judge::NodeMode;
use pullwarden::view::EvidenceState;

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use serde_json::json;

use crate::support::apiserver::Kind::{Get, List, PatchPod};
use crate::support::node::{Agent, Node};
use crate::support::pod::{BAD, NOT_FOUND, Pod};
use crate::support::until;

fn pod() -> Pod {
    Pod::bad("p")
}

fn running() -> Pod {
    pod().running("c").phase("Running")
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Half an hour at a time, for a day.
async fn a_day_goes_by(node: &Node) {
    for _ in 0..48 {
        node.advance(seconds(1800));
        node.turns(1).await;
    }
}

/// Time goes on, a quarter of a minute at a time, until no evidence is open.
async fn closes(node: &Node, agent: &Agent) {
    until("evidence is closed", async || {
        node.advance(seconds(15));
        node.turns(2).await;
        agent.status().await.evidence == EvidenceState::Closed
    })
    .await;
}

/// A Pod fails once, and starts while no agent runs.
async fn started_while_away() -> (Node, Agent) {
    let node = Node::counting_to(2).await;
    node.add(&pod());
    let agent = node.agent();
    node.fail_to(&agent, &pod(), 1).await;
    node.turns(2).await;
    agent.kill().await;
    node.report(&running());
    node.runtime.add_container(&pod());
    let agent = node.agent();
    node.turns(3).await;
    closes(&node, &agent).await;
    (node, agent)
}

#[tokio::test]
async fn a_pod_that_started_while_away_has_no_count_any_more() {
    let (node, agent) = started_while_away().await;
    let state = std::fs::read_to_string(node.state_file()).unwrap();
    assert!(!state.contains("uid-p"), "{state}");
    // Its sandbox is made anew, and its first pull fails once.
    node.runtime.remove(&pod());
    node.turns(2).await;
    node.report(&pod().phase("Pending").waiting("c", "ContainerCreating", ""));
    node.runtime.add(&pod());
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    until("it is counted", async || agent.failures(&pod()).await == 1).await;
    node.turns(3).await;
    assert!(node.api.writes().is_empty(), "it is the first failure");
}

#[tokio::test]
async fn a_pod_that_started_while_away_costs_no_list_of_images() {
    let (node, _agent) = started_while_away().await;
    let before = node.runtime.listed();
    a_day_goes_by(&node).await;
    assert_eq!(node.runtime.listed(), before);
}

#[tokio::test]
async fn a_pod_that_is_switched_off_costs_no_list_of_images() {
    let node = Node::counting_to(9).await;
    node.add(&pod());
    let agent = node.agent();
    node.fail_to(&agent, &pod(), 1).await;
    let off = pod().annotation("pullwarden.io/mode", "off");
    node.api.store().edit("p", |pod| {
        pod["metadata"]["annotations"]["pullwarden.io/mode"] = json!("off");
    });
    agent.drops(&pod()).await;
    closes(&node, &agent).await;
    node.report(&off.running("c").phase("Running"));
    let before = node.runtime.listed();
    a_day_goes_by(&node).await;
    assert_eq!(node.runtime.listed(), before);
}

#[tokio::test]
async fn a_pod_that_went_while_evidence_was_lost_is_dropped() {
    let node = Node::counting_to(1).await;
    node.add(&pod().waiting("c", "InvalidImageName", "x"));
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.api.down().await;
    agent.evidence_is(EvidenceState::Lost).await;
    node.remove(&pod());
    node.turns(3).await;
    node.api.up().await;
    until("it is dropped", async || {
        node.advance(seconds(5));
        agent.status().await.pods.is_empty()
    })
    .await;
    closes(&node, &agent).await;
    let asked = (node.api.count(List), node.api.count(Get));
    a_day_goes_by(&node).await;
    assert_eq!((node.api.count(List), node.api.count(Get)), asked);
}

/// A Pod that nobody names comes while the watch is silent.
async fn comes_unseen() -> (Node, Agent) {
    let node = Node::counting_to(1).await;
    let other = Pod::bad("q");
    node.add(&other);
    let agent = node.agent();
    agent.judges(&other).await;
    node.report(&other.clone().running("c").phase("Running"));
    agent.drops(&other).await;
    node.turns(2).await;
    node.api.store().hold_watches();
    node.add(&pod());
    node.turns(3).await;
    node.advance(seconds(11));
    node.turns(3).await;
    assert_eq!(agent.status().await.unsettled, 0, "it is not named");
    (node, agent)
}

#[tokio::test]
async fn a_silent_watch_that_breaks_settles_nobody_for_good() {
    let (node, agent) = comes_unseen().await;
    node.api.down().await;
    node.api.store().release_watches();
    agent.evidence_is(EvidenceState::Closed).await;
    node.api.up().await;
    until("it is judged", async || {
        node.advance(seconds(5));
        agent.status().await.pods.len() == 1
    })
    .await;
}

#[tokio::test]
async fn a_silent_watch_that_is_closed_settles_nobody_for_good() {
    let (node, agent) = comes_unseen().await;
    node.advance(seconds(31));
    agent.evidence_is(EvidenceState::Closed).await;
    node.api.store().release_watches();
    until("it is judged", async || {
        node.advance(seconds(5));
        agent.status().await.pods.len() == 1
    })
    .await;
}

#[tokio::test]
async fn views_of_a_pod_out_of_scope_cost_no_disk() {
    let node = Node::counting_to(100).await;
    let always = Pod::bad("d").restart("Always");
    node.add(&pod());
    node.add(&always);
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.turns(5).await;
    // Each save makes a new file.
    let saved = || std::fs::metadata(node.state_file()).unwrap().ino();
    let verdicts = || {
        let lines = node.lines().into_iter();
        let of = lines.filter(|l| l["kind"] == "verdict" && l["uid"] == always.has_uid());
        of.count()
    };
    let before = (saved(), verdicts());
    for n in 0..20 {
        node.report(&match n % 2 {
            0 => always.clone().failing(NOT_FOUND),
            _ => always.clone().pausing(NOT_FOUND),
        });
        node.turns(1).await;
    }
    assert_eq!((saved(), verdicts()), before);
}

#[tokio::test]
async fn switched_off_during_its_report_it_is_looked_at_again() {
    let node = Node::counting_to(1).await;
    node.kubelet.up();
    node.add(&pod());
    let agent = node.agent();
    agent.source_is("kubelet").await;
    agent.judges(&pod()).await;
    // The API server is behind, so the look is made several times.
    node.kubelet.show(&pod().failing(NOT_FOUND));
    node.asked(Get, 2).await;
    let off = pod().annotation("pullwarden.io/mode", "off");
    node.api.store().edit("p", |pod| {
        pod["metadata"]["annotations"]["pullwarden.io/mode"] = json!("off");
    });
    node.kubelet.show(&off.failing(NOT_FOUND));
    agent.drops(&pod()).await;
    until("the report has ended", async || {
        node.lines().iter().any(|line| line["kind"] == "report")
    })
    .await;
    closes(&node, &agent).await;
    let asked = node.kubelet.asked();
    node.advance(seconds(601));
    until("it is looked at again", async || {
        node.kubelet.asked() > asked
    })
    .await;
    assert!(node.api.writes().is_empty());
}

#[tokio::test]
async fn a_report_goes_by_the_configuration_of_its_last_look() {
    let node = Node::observing().await;
    let file = node.path().join("config.yaml");
    let config =
        |mode| format!("mode: {mode}\nimagePullFailureCount: 1\nwarmUp: 0s\nevidence: auto\n");
    std::fs::write(&file, config("enforce")).unwrap();
    node.kubelet.up();
    node.add(&pod());
    let agent = node.agent_of(&file);
    agent.source_is("kubelet").await;
    agent.judges(&pod()).await;
    node.kubelet.show(&pod().failing(NOT_FOUND));
    node.asked(Get, 2).await;
    std::fs::write(&file, config("observe")).unwrap();
    until("it is taken up", async || {
        agent.status().await.mode == NodeMode::Observe
    })
    .await;
    node.api.store().report(&pod().failing(NOT_FOUND));
    until("the report has ended", async || {
        node.lines().iter().any(|line| line["kind"] == "report")
    })
    .await;
    let lines = node.lines();
    let report = lines.iter().find(|l| l["kind"] == "report").unwrap();
    assert_eq!(report["ending"], "spared");
    assert_eq!(node.api.count(PatchPod), 0);
}

#[tokio::test]
async fn a_changed_configuration_names_everybody_anew() {
    let node = Node::observing().await;
    let file = node.path().join("config.yaml");
    let config = |policies| format!("scope: {{restartPolicies: [{policies}]}}\nevidence: auto\n");
    std::fs::write(&file, config("Never")).unwrap();
    let other = Pod::new("q").container("c", BAD).restart("OnFailure");
    node.add(&pod());
    node.add(&other);
    let agent = node.agent_of(&file);
    agent.judges(&pod()).await;
    node.turns(2).await;
    assert_eq!(agent.status().await.pods.len(), 1);
    std::fs::write(&file, config("Never, OnFailure")).unwrap();
    agent.judges(&other).await;
}
