//! Our condition on a Pod that runs: it is reverted, whatever went wrong before.

use std::fs;
use std::time::Duration;

use pullwarden::judge::NodeMode;
use serde_json::{Value, json};

use crate::agent::restarts::{condition, marked_and_killed, statuses};
use crate::support::apiserver::Act;
use crate::support::apiserver::Kind::{Get, PatchPod, PatchStatus, PostEvent};
use crate::support::node::{Agent, Node};
use crate::support::pod::{NOT_FOUND, Pod};
use crate::support::race::{Race, pod};
use crate::support::until;

fn running() -> Pod {
    pod().running("c").phase("Running")
}

/// Time goes on, faster than the agent's looks, until both conditions are False.
async fn is_taken_back(node: &Node) {
    until("the conditions are reverted", async || {
        node.advance(Duration::from_secs(5));
        statuses(node) == ["False", "False"]
    })
    .await;
    node.turns(2).await;
    assert_eq!(node.api.count(PatchPod), 0);
}

/// The state file, changed by hand.
fn edit_state(node: &Node, edit: impl FnOnce(&mut Value)) {
    let mut state = serde_json::from_slice(&fs::read(node.state_file()).unwrap()).unwrap();
    edit(&mut state);
    fs::write(node.state_file(), state.to_string()).unwrap();
}

#[tokio::test]
async fn of_a_pod_that_started_while_the_agent_was_away() {
    for by_kubelet in [false, true] {
        let node = marked_and_killed().await;
        if by_kubelet {
            node.kubelet.up();
        }
        node.report(&running());
        node.runtime.add_container(&pod());
        let _agent = node.agent();
        is_taken_back(&node).await;
    }
}

#[tokio::test]
async fn of_a_pod_whose_node_shows_nothing_at_all() {
    let node = marked_and_killed().await;
    node.report(&running());
    node.runtime.remove(&pod());
    let _agent = node.agent();
    is_taken_back(&node).await;
}

#[tokio::test]
async fn as_often_as_it_takes() {
    let race = Race::start().await;
    race.node
        .api
        .refuse_from(PatchPod, 1, 503, "etcd leader changed");
    for nth in 2..=6 {
        let refusal = Act::Refuse(429, "too many requests");
        race.node.api.at(PatchStatus, nth, refusal);
    }
    race.ends("failed").await;
    race.node.report(&running());
    race.agent.drops(&pod()).await;
    until("the condition is reverted", async || {
        race.node.advance(Duration::from_secs(5));
        race.condition() == "False"
    })
    .await;
    let status = race.node.api.count(PatchStatus);
    race.node.advance(Duration::from_secs(3600));
    race.node.turns(3).await;
    assert_eq!(race.node.api.count(PatchStatus), status, "and then no more");
}

#[tokio::test]
async fn not_before_the_time_that_the_api_server_asks_for() {
    let race = Race::start().await;
    let api = &race.node.api;
    api.refuse_from(PatchPod, 1, 503, "etcd leader changed");
    // One is of the report, and one of the first try to revert.
    for nth in [2, 3] {
        api.at(PatchStatus, nth, Act::RefuseFor(429, 50));
    }
    race.ends("failed").await;
    race.node.report(&running());
    race.agent.drops(&pod()).await;
    for tried in [2, 3] {
        race.node.turns(3).await;
        race.node.advance(Duration::from_secs(45));
        race.node.turns(3).await;
        assert_eq!(api.count(PatchStatus), tried);
        race.node.advance(Duration::from_secs(20));
        race.node.asked(PatchStatus, tried + 1).await;
    }
    until("the condition is reverted", async || {
        race.condition() == "False"
    })
    .await;
}

#[tokio::test]
async fn after_a_restart_that_came_before_it_could_be() {
    let race = Race::start().await;
    race.node
        .api
        .refuse_from(PatchPod, 1, 503, "etcd leader changed");
    for nth in 2..=4 {
        let refusal = Act::Refuse(503, "etcd leader changed");
        race.node.api.at(PatchStatus, nth, refusal);
    }
    race.ends("failed").await;
    race.node.report(&running());
    race.agent.drops(&pod()).await;
    let Race { node, agent } = race;
    agent.kill().await;
    let _agent = node.agent();
    until("the condition is reverted", async || {
        node.advance(Duration::from_secs(5));
        condition(&node) == "False"
    })
    .await;
}

#[tokio::test]
async fn once_an_api_server_is_back_that_was_away() {
    let node = marked_and_killed().await;
    node.kubelet.up();
    node.kubelet.show(&pod().pausing(NOT_FOUND));
    let agent = node.agent();
    agent.source_is("kubelet").await;
    agent.judges(&pod()).await;
    node.api.down().await;
    node.kubelet.show(&running());
    agent.drops(&pod()).await;
    for _ in 0..5 {
        node.advance(Duration::from_secs(60));
        node.turns(2).await;
    }
    node.api.up().await;
    node.api.store().report(&running());
    is_taken_back(&node).await;
}

async fn observing(node: &Node) -> Agent {
    let mut config = node.config.clone();
    config.policy.mode = NodeMode::Observe;
    node.agent_with(config)
}

#[tokio::test]
async fn by_an_agent_that_only_observes_by_now() {
    let node = marked_and_killed().await;
    node.report(&pod().pausing(NOT_FOUND));
    let agent = observing(&node).await;
    agent.judges(&pod()).await;
    // What would be done is announced, which changes nothing about the condition.
    node.fail_once(&pod());
    node.asked(PostEvent, 1).await;
    node.turns(3).await;
    node.report(&running());
    is_taken_back(&node).await;
}

#[tokio::test]
async fn by_an_agent_that_has_lost_its_state() {
    let node = marked_and_killed().await;
    fs::remove_file(node.state_file()).unwrap();
    node.report(&pod().pausing(NOT_FOUND));
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.report(&running());
    is_taken_back(&node).await;
}

#[tokio::test]
async fn by_an_agent_that_cannot_read_the_state() {
    let node = marked_and_killed().await;
    edit_state(&node, |state| state["version"] = json!(99));
    node.report(&pod().pausing(NOT_FOUND));
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.report(&running());
    is_taken_back(&node).await;
}

#[tokio::test]
async fn as_an_earlier_version_has_noted_it() {
    let node = marked_and_killed().await;
    edit_state(&node, |state| {
        state["ledger"]["pods"]["uid-p"]["stage"] = json!("Marked");
    });
    node.report(&running());
    let _agent = node.agent();
    is_taken_back(&node).await;
}

#[tokio::test]
async fn after_a_report_that_ended_before_its_first_answer() {
    let node = marked_and_killed().await;
    node.report(&pod().pausing(NOT_FOUND));
    let agent = node.agent();
    agent.judges(&pod()).await;
    for nth in 1..=3 {
        node.api.at(Get, nth, Act::Drop);
    }
    node.fail_once(&pod());
    until("the report has ended", async || {
        node.lines().iter().any(|line| line["kind"] == "report")
    })
    .await;
    node.report(&running());
    is_taken_back(&node).await;
}

#[tokio::test]
async fn after_a_report_that_the_runtime_ended() {
    let node = marked_and_killed().await;
    node.report(&pod().pausing(NOT_FOUND));
    let agent = node.agent();
    agent.judges(&pod()).await;
    let away = tonic::Status::unavailable("restarting");
    node.runtime.fault(Some(away));
    node.fail_once(&pod());
    until("the report has ended", async || {
        node.lines().iter().any(|line| line["kind"] == "report")
    })
    .await;
    assert_eq!(node.api.count(Get), 0, "the API server was not asked");
    node.runtime.fault(None);
    node.report(&running());
    is_taken_back(&node).await;
}

#[tokio::test]
async fn after_writes_were_switched_off_between_the_two() {
    let race = Race::start().await;
    race.node
        .api
        .refuse_from(PatchPod, 1, 403, "writes are switched off");
    race.ends("denied").await;
    assert_eq!(race.condition(), "False");
}

#[tokio::test]
async fn a_pod_that_is_gone_is_asked_for_once() {
    let node = marked_and_killed().await;
    node.remove(&pod());
    let _agent = node.agent();
    node.turns(1).await;
    node.advance(Duration::from_secs(31));
    node.asked(Get, 1).await;
    node.turns(2).await;
    for _ in 0..5 {
        node.advance(Duration::from_secs(3600));
        node.turns(2).await;
    }
    assert_eq!(node.api.count(Get), 1);
    assert!(node.api.writes().is_empty());
    let state = fs::read_to_string(node.state_file()).unwrap();
    assert!(!state.contains("uid-p"), "{state}");
}

#[tokio::test]
async fn a_condition_that_is_right_again_stays() {
    let node = marked_and_killed().await;
    node.report(&pod().pausing(NOT_FOUND));
    let agent = node.agent();
    agent.judges(&pod()).await;
    for _ in 0..20 {
        node.advance(Duration::from_secs(60));
        node.turns(1).await;
    }
    assert!(
        node.api.writes().is_empty(),
        "its next failure completes it"
    );
    assert_eq!(condition(&node), "True");
}

#[tokio::test]
async fn a_pod_that_left_with_the_condition_is_read() {
    let node = marked_and_killed().await;
    fs::remove_file(node.state_file()).unwrap();
    node.kubelet.up();
    // The kubelet shows the condition only once the Pod runs.
    node.report(&pod().pausing(NOT_FOUND));
    let agent = node.agent();
    agent.source_is("kubelet").await;
    agent.judges(&pod()).await;
    node.api.store().report(&running());
    let mut shown = running();
    let condition = json!({"type": "pullwarden.io/ImagePullFailed", "status": "True"});
    shown.0["status"]["conditions"] = json!([condition]);
    node.kubelet.show(&shown);
    is_taken_back(&node).await;
}

#[tokio::test]
async fn a_pod_of_an_excluded_namespace_is_left_alone() {
    let mut node = marked_and_killed().await;
    fs::remove_file(node.state_file()).unwrap();
    let exclude = &mut node.config.policy.scope.exclude_namespaces;
    exclude.insert("default".to_owned());
    node.add(&Pod::bad("other").namespace("other"));
    node.report(&pod().pausing(NOT_FOUND));
    let agent = node.agent();
    agent.judges(&Pod::bad("other").namespace("other")).await;
    for _ in 0..20 {
        node.advance(Duration::from_secs(60));
        node.turns(1).await;
    }
    assert!(node.api.writes().is_empty());
}

/// The log still has that a report was cut off.
#[tokio::test]
async fn of_a_pod_that_started_while_the_counts_were_lost() {
    for damaged in [false, true] {
        let Race { node, agent } = Race::start().await;
        (1..=9).for_each(|nth| node.api.at(PatchPod, nth, Act::Drop));
        node.fail_once(&pod());
        node.asked(PatchPod, 1).await;
        agent.kill().await;
        assert_eq!(statuses(&node), ["True", "True"]);
        node.report(&running());
        node.runtime.add_container(&pod());
        match damaged {
            true => fs::write(node.state_file(), "{").unwrap(),
            false => fs::remove_file(node.state_file()).unwrap(),
        }
        let _agent = node.agent();
        until("the conditions are reverted", async || {
            node.advance(Duration::from_secs(5));
            statuses(&node) == ["False", "False"]
        })
        .await;
    }
}

#[tokio::test]
async fn of_a_failed_pod_it_stays_without_a_request_though_the_counts_are_lost() {
    let race = Race::start().await;
    race.ends("written").await;
    let Race { node, agent } = race;
    agent.stop().await;
    node.report(&pod().running("c").phase("Failed"));
    fs::remove_file(node.state_file()).unwrap();
    let before = node.api.kinds().len();
    let _agent = node.agent();
    for _ in 0..10 {
        node.advance(Duration::from_secs(60));
        node.turns(1).await;
    }
    assert_eq!(node.api.count(Get), 1, "the look of the report");
    assert_eq!(statuses(&node), ["True", "True"]);
    let new = node.api.kinds().split_off(before);
    assert!(
        !new.iter()
            .any(|kind| [PatchStatus, PatchPod].contains(kind))
    );
}
