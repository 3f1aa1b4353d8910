//! The agent ends, well or not, and starts again; its disk fails it.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::apiserver::Kind;
use crate::support::node::Node;
use crate::support::pod::{NOT_FOUND, Pod};
use crate::support::until;

/// The conditions on a Pod whose image does not exist.
pub const OURS: [&str; 2] = [
    "pullwarden.io/ImagePullFailed",
    "pullwarden.io/ImageUnavailable",
];

fn pod() -> Pod {
    Pod::bad("p")
}

/// The status of the first of our conditions on the Pod; Null if it has none.
pub fn condition(node: &Node) -> Value {
    statuses(node)[0].clone()
}

/// The statuses of our conditions on the Pod; Null for each that it does not have.
pub fn statuses(node: &Node) -> [Value; 2] {
    let store = node.api.store();
    let conditions = store.pod("p").unwrap()["status"]["conditions"]
        .as_array()
        .unwrap();
    OURS.map(|kind| {
        let found = conditions.iter().find(|c| c["type"] == kind);
        found.map_or(Value::Null, |c| c["status"].clone())
    })
}

#[tokio::test]
async fn killed_between_failures_the_counts_go_on_and_none_counts_twice() {
    let node = Node::counting_to(3).await;
    node.add(&pod());
    let agent = node.agent();
    node.fail_to(&agent, &pod(), 1).await;
    node.fail_once(&pod());
    until("it is counted", async || agent.failures(&pod()).await == 2).await;
    agent.kill().await;

    // The same failure is still what is reported.
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.turns(3).await;
    assert_eq!(agent.failures(&pod()).await, 2);
    assert!(node.api.writes().is_empty());
    node.report(&pod().pausing(NOT_FOUND));
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    let message =
        node.api.bodies(Kind::PatchStatus)[0]["status"]["conditions"][0]["message"].clone();
    assert!(message.as_str().unwrap().contains("3 times"), "{message}");
}

#[tokio::test]
async fn a_failure_while_the_agent_was_away_is_counted_once_it_is_back() {
    let node = Node::counting_to(9).await;
    node.add(&pod());
    let agent = node.agent();
    node.fail_to(&agent, &pod(), 1).await;
    node.turns(2).await;
    agent.stop().await;
    node.fail_once(&pod());
    let agent = node.agent();
    until("it is counted", async || agent.failures(&pod()).await == 2).await;
}

#[tokio::test]
async fn killed_between_the_writes_and_healed_the_condition_is_taken_back() {
    let node = marked_and_killed().await;
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.report(&pod().running("c").phase("Running"));
    agent.drops(&pod()).await;
    until("the condition is taken back", async || {
        condition(&node) == "False"
    })
    .await;
    node.turns(2).await;
    assert_eq!(node.api.count(Kind::PatchPod), 0);
}

#[tokio::test]
async fn killed_between_the_writes_and_healed_while_away_the_condition_is_taken_back() {
    let node = marked_and_killed().await;
    // One of two containers: the Pod is Pending, but this image is there.
    node.report(&pod().running("c"));
    let _agent = node.agent();
    until("the condition is taken back", async || {
        condition(&node) == "False"
    })
    .await;
    node.turns(2).await;
    assert_eq!(node.api.count(Kind::PatchPod), 0);
}

#[tokio::test]
async fn a_condition_that_the_kubelet_does_not_show_is_taken_back_too() {
    let node = marked_and_killed().await;
    node.kubelet.up();
    let agent = node.agent();
    agent.source_is("kubelet").await;
    agent.judges(&pod()).await;
    // The kubelet's own view has no condition.
    node.report(&pod().running("c").phase("Pending"));
    until("the condition is taken back", async || {
        condition(&node) == "False"
    })
    .await;
    node.turns(2).await;
    assert_eq!(node.api.writes(), [Kind::PatchStatus]);
}

#[tokio::test]
async fn killed_between_the_writes_the_next_failure_completes_them() {
    let node = marked_and_killed().await;
    node.report(&pod().pausing(NOT_FOUND));
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.turns(3).await;
    assert!(node.api.writes().is_empty(), "a restart decides nothing");
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    assert_eq!(
        node.api.writes(),
        [Kind::PatchPod, Kind::PostEvent],
        "the conditions stand already"
    );
    assert_eq!(statuses(&node), ["True", "True"]);
}

/// An agent was killed when the conditions were written and the deadline was not: its state file says that a report is under way.
pub async fn marked_and_killed() -> Node {
    let node = Node::counting_to(1).await;
    node.add(&pod());
    node.report(&pod().failing(NOT_FOUND));
    let mut counting = node.config.clone();
    counting.policy.failure_count = std::num::NonZeroU32::new(9);
    let agent = node.agent_with(counting);
    until("it is counted", async || agent.failures(&pod()).await == 1).await;
    agent.stop().await;
    let mut state: Value = serde_json::from_slice(&fs::read(node.state_file()).unwrap()).unwrap();
    state["ledger"]["pods"]["uid-p"]["stage"] = json!("Writing");
    fs::write(node.state_file(), state.to_string()).unwrap();
    node.api.store().edit("p", |pod| {
        let ours = OURS.map(|kind| json!({"type": kind, "status": "True"}));
        let conditions = pod["status"]["conditions"].as_array_mut();
        conditions.unwrap().extend(ours);
    });
    node
}

#[tokio::test]
async fn what_was_written_is_not_written_again_after_a_restart() {
    let node = Node::counting_to(1).await;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    let writes = node.api.writes().len();
    agent.kill().await;
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.report(&pod().pausing(NOT_FOUND));
    node.fail_once(&pod());
    node.turns(3).await;
    assert_eq!(node.api.writes().len(), writes);
    node.report(&pod().terminated("c").phase("Failed"));
    agent.drops(&pod()).await;
    node.turns(2).await;
    assert_eq!(node.api.writes().len(), writes);
    assert_eq!(condition(&node), "True");
}

#[tokio::test]
async fn an_end_that_is_asked_for_waits_for_the_report() {
    let node = Node::counting_to(1).await;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    node.asked(Kind::Get, 1).await;
    agent.stop().await;
    assert_eq!(
        node.api.writes(),
        [Kind::PatchStatus, Kind::PatchPod, Kind::PostEvent]
    );
    let state = fs::read_to_string(node.state_file()).unwrap();
    assert!(state.contains("Written"), "{state}");
}

/// The agent fails a Pod after three failures whatever its disk is like.
async fn check_goes_on(node: Node) -> Node {
    node.add(&pod());
    let agent = node.agent();
    node.fail_to(&agent, &pod(), 2).await;
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    assert!(agent.runs());
    node
}

#[tokio::test]
async fn a_damaged_state_file_is_set_aside_and_the_agent_goes_on() {
    for damage in ["", "{", "\0\0\0\0", r#"{"version": 99}"#, "[]"] {
        let node = Node::counting_to(3).await;
        fs::create_dir_all(&*node.config.startup.state_dir).unwrap();
        fs::write(node.state_file(), damage).unwrap();
        let node = check_goes_on(node).await;
        let aside = node.config.startup.state_dir.join("state.json.damaged");
        assert_eq!(fs::read_to_string(aside).unwrap(), damage);
        assert!(
            fs::read_to_string(node.state_file())
                .unwrap()
                .contains("uid-p")
        );
    }
}

#[tokio::test]
async fn an_unwritable_state_dir_does_not_stop_the_agent() {
    let node = Node::counting_to(3).await;
    fs::write(&*node.config.startup.state_dir, "a file in its place").unwrap();
    let node = check_goes_on(node).await;
    let agent = node.agent();
    assert!(!agent.status().await.state_kept);
    until("the metric says so", async || {
        agent.metrics.agent.state_unwritable.get() == 1
    })
    .await;
    // As soon as it can be written again, it is.
    fs::remove_file(&*node.config.startup.state_dir).unwrap();
    until("the state is kept", async || {
        agent.status().await.state_kept
    })
    .await;
    assert!(node.state_file().exists());
}

#[tokio::test]
async fn an_unwritable_log_dir_does_not_stop_the_agent() {
    let node = Node::counting_to(3).await;
    fs::write(&*node.config.startup.log_dir, "a file in its place").unwrap();
    check_goes_on(node).await;
}

#[tokio::test]
async fn another_boot_keeps_the_counts() {
    let node = Node::counting_to(3).await;
    node.add(&pod());
    let agent = node.agent();
    node.fail_to(&agent, &pod(), 2).await;
    node.turns(2).await;
    agent.stop().await;
    let mut state: Value = serde_json::from_slice(&fs::read(node.state_file()).unwrap()).unwrap();
    state["boot"] = json!("another");
    fs::write(node.state_file(), state.to_string()).unwrap();
    let agent = node.agent();
    agent.judges(&pod()).await;
    assert_eq!(agent.failures(&pod()).await, 2);
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
}

#[tokio::test]
async fn a_restart_does_not_start_the_warm_up_again() {
    let mut node = Node::counting_to(1).await;
    node.config.warm_up = Duration::from_secs(600);
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    until("it is counted", async || agent.failures(&pod()).await == 1).await;
    node.turns(2).await;
    assert!(node.api.writes().is_empty());
    node.advance(Duration::from_secs(590));
    agent.kill().await;
    let agent = node.agent();
    agent.judges(&pod()).await;
    assert!(agent.status().await.warm_up_left_seconds <= 10);
    node.advance(Duration::from_secs(11));
    node.turns(2).await;
    assert!(node.api.writes().is_empty(), "its end decides nothing");
    node.report(&pod().pausing(NOT_FOUND));
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
}

#[tokio::test]
async fn a_second_agent_waits_until_the_first_has_ended() {
    let node = Node::counting_to(1).await;
    let first = node.agent();
    node.add(&pod());
    first.judges(&pod()).await;
    let second = node.agent();
    until("the second is in standby", async || {
        second.metrics.agent.standby.get() == 1
    })
    .await;
    let looks = second.metrics.sources.polls.get();
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    node.turns(3).await;
    assert_eq!(node.api.count(Kind::PatchPod), 1);
    assert_eq!(second.metrics.sources.polls.get(), looks);
    first.kill().await;
    second.judges(&pod()).await;
    assert_eq!(second.metrics.agent.standby.get(), 0);
}

#[tokio::test]
async fn an_agent_in_standby_ends_when_asked() {
    let node = Node::counting_to(1).await;
    let first = node.agent();
    node.turns(1).await;
    let second = node.agent();
    until("the second is in standby", async || {
        second.metrics.agent.standby.get() == 1
    })
    .await;
    second.stop().await;
    assert!(first.runs());
}
