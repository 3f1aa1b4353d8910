//! The ways to be spared, and what is said of those who would have been failed and started after all.

use pullwarden::judge::{Action, Because, NodeMode, Reason};
use pullwarden::metrics::ByBecause;
use serde_json::{Value, json};
use tonic::Status;

use crate::support::apiserver::Act;
use crate::support::apiserver::Kind::{self, DeletePod, Get, PatchPod, PatchStatus, PostEvent};
use crate::support::judge::{TestJudge, decides_to_fail};
use crate::support::node::{Agent, Node};
use crate::support::pod::{BAD, NOT_FOUND, Pod};
use crate::support::race::{Race, pod};
use crate::support::until;

/// The endings of all reports so far, with what is said of them.
fn endings(node: &Node) -> Vec<(String, String)> {
    let lines = node
        .lines()
        .into_iter()
        .filter(|line| line["kind"] == "report");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    lines
        .map(|line| (text(&line["ending"]), text(&line["detail"])))
        .collect()
}

/// Waits until so many reports have ended. Returns the last one's ending, with its reason.
pub async fn until_ended(node: &Node, times: usize) -> (String, String) {
    until(&format!("{times} reports have ended"), async || {
        endings(node).len() >= times
    })
    .await;
    node.turns(2).await;
    endings(node)[times - 1].clone()
}

/// One more pull fails, after the pause.
async fn fail_again(race: &Race, agent: &Agent) {
    let before = agent.failures(&pod()).await;
    race.node.report(&pod().pausing(NOT_FOUND));
    race.node.turns(2).await;
    race.node.fail_once(&pod());
    until("another failure is counted", async || {
        agent.failures(&pod()).await > before
    })
    .await;
}

#[tokio::test]
async fn an_image_that_is_on_the_node_by_now_spares_once() {
    let race = Race::start().await;
    race.node.runtime.add_image(BAD);
    race.ends("spared").await;
    assert!(endings(&race.node)[0].1.contains("is on the node by now"));
    race.asked(&[]);
    assert_eq!(race.node.runtime.asked_about(), [BAD]);
    // Its credentials may be broken: a cached image must not spare it for ever.
    fail_again(&race, &race.agent).await;
    race.ends_again(2, "written").await;
    race.asked(&[Get, PatchStatus, PatchPod, PostEvent]);
    assert_eq!(race.node.runtime.asked_about(), [BAD], "asked once only");
}

#[tokio::test]
async fn with_always_and_never_the_node_is_not_asked() {
    for policy in ["Always", "Never"] {
        let node = Node::counting_to(1).await;
        let mut pod = Pod::bad("p");
        pod.0["spec"]["containers"][0]["imagePullPolicy"] = json!(policy);
        node.add(&pod);
        node.runtime.add_image(BAD);
        let agent = node.agent();
        agent.judges(&pod).await;
        node.fail_once(&pod);
        assert_eq!(until_ended(&node, 1).await.0, "written", "{policy}");
        assert!(node.runtime.asked_about().is_empty());
    }
}

#[tokio::test]
async fn a_runtime_that_does_not_answer_fails_nobody() {
    let race = Race::start().await;
    race.node
        .runtime
        .fault(Some(Status::unavailable("restarting")));
    race.ends("failed").await;
    race.asked(&[]);
}

#[test]
fn an_image_that_another_pod_has_pulled_spares_once() {
    let mut judge = TestJudge::counting_to(2);
    judge.fail(&pod(), NOT_FOUND, 1);
    let other = Pod::bad("other");
    judge.fail(&other, NOT_FOUND, 2);
    judge.see(other.running("c"), 10);
    let verdict = judge.fail(&pod(), NOT_FOUND, 30);
    assert!(
        matches!(verdict.reasons.last(), Some(Reason::PulledByAnother { .. })),
        "{verdict:?}"
    );
    assert!(
        decides_to_fail(&judge.fail(&pod(), NOT_FOUND, 60)),
        "once only"
    );
}

#[test]
fn what_was_pulled_before_the_first_failure_spares_nobody() {
    let mut judge = TestJudge::counting_to(2);
    let other = Pod::bad("other");
    judge.fail(&other, NOT_FOUND, 1);
    judge.see(other.running("c"), 2);
    judge.fail(&pod(), NOT_FOUND, 3);
    assert!(decides_to_fail(&judge.fail(&pod(), NOT_FOUND, 30)));
}

#[tokio::test]
async fn an_image_that_comes_to_the_node_under_another_spelling_spares() {
    let mut node = Node::counting_to(2).await;
    node.config.brake.new_node = std::time::Duration::ZERO;
    let mut pod = Pod::new("p").container("c", "team/app");
    pod.0["spec"]["containers"][0]["imagePullPolicy"] = json!("Always");
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    node.fail_to(&agent, &pod, 1).await;
    until("the images were listed while the pull failed", async || {
        node.runtime.listed() >= 3
    })
    .await;
    node.runtime.add_image("docker.io/team/app:latest");
    node.turns(3).await;
    node.fail_once(&pod);
    until("the verdict is held", async || {
        let status = agent.status().await;
        status
            .pods
            .iter()
            .any(|p| p.reasons.iter().any(|r| r.text.contains("another Pod")))
    })
    .await;
    assert!(node.api.writes().is_empty());
}

fn counted(agent: &Agent, because: &'static str) -> u64 {
    let family = &agent.metrics.pods.started;
    family.get_or_create(&ByBecause { because }).get()
}

#[tokio::test]
async fn who_would_have_been_failed_and_started_is_counted() {
    let mut node = Node::counting_to(1).await;
    node.config.policy.mode = NodeMode::Observe;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    assert_eq!(until_ended(&node, 1).await.0, "due");
    // It leaves Pending at once: evidence does not say how, so the Pod is looked at.
    node.report(&pod().running("c").phase("Running"));
    until("it is counted", async || counted(&agent, "observing") == 1).await;
    let lines = node.lines();
    let line = lines
        .iter()
        .find(|line| line["kind"] == "would-fail-then-started")
        .unwrap();
    assert_eq!(
        (&line["pod"], &line["because"]),
        (&json!("p"), &json!("observing"))
    );
    agent.drops(&pod()).await;
    node.turns(2).await;
    assert_eq!(counted(&agent, "observing"), 1);
}

#[tokio::test]
async fn the_kubelet_tells_who_started_before_the_api_server_knows() {
    let (node, agent) = due_by_the_kubelet().await;
    node.kubelet.show(&pod().running("c").phase("Running"));
    until("it is counted", async || counted(&agent, "observing") == 1).await;
    agent.drops(&pod()).await;
    node.turns(2).await;
    assert_eq!(counted(&agent, "observing"), 1);
    assert_eq!(node.api.kinds(), [Get, PostEvent], "nothing is asked");
}

#[tokio::test]
async fn an_api_server_that_is_behind_is_asked_again() {
    let (node, agent) = due_by_the_kubelet().await;
    let running = pod().running("c").phase("Running");
    node.api.before(Get, 4, move |store| store.report(&running));
    // How it left is not told.
    node.kubelet.remove(&pod());
    until("it is counted", async || counted(&agent, "observing") == 1).await;
    assert_eq!(node.api.count(Get), 4);
}

/// An observing agent has judged the Pod by what the kubelet's socket tells, and would have failed it.
async fn due_by_the_kubelet() -> (Node, Agent) {
    let mut node = Node::counting_to(1).await;
    node.kubelet.up();
    node.config.policy.mode = NodeMode::Observe;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    assert_eq!(until_ended(&node, 1).await.0, "due");
    (node, agent)
}

#[tokio::test]
async fn who_was_deleted_has_not_started() {
    let mut node = Node::counting_to(1).await;
    node.config.policy.mode = NodeMode::Observe;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    assert_eq!(until_ended(&node, 1).await.0, "due");
    node.remove(&pod());
    agent.drops(&pod()).await;
    node.asked(Get, 2).await;
    node.turns(2).await;
    assert_eq!(counted(&agent, "observing"), 0);
}

#[test]
fn who_was_held_and_started_is_told() {
    let mut judge = TestJudge::counting_to(1).warming_up(600);
    judge.fail(&pod(), NOT_FOUND, 1);
    let verdict = judge.see(pod().running("c"), 20);
    assert_eq!(verdict.observed.started.get(BAD), Some(&Because::Held));
    let verdict = judge.see(pod().running("c"), 21);
    assert!(verdict.observed.started.is_empty(), "once");
}

async fn deleting() -> Race {
    let mut node = Node::counting_to(1).await;
    node.config.policy.action = Action::Delete;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    Race { node, agent }
}

#[tokio::test]
async fn with_action_delete_the_pod_is_deleted_after_the_condition() {
    let race = deleting().await;
    race.ends("written").await;
    race.asked(&[Get, PatchStatus, DeletePod, PostEvent]);
    let options = &race.node.api.bodies(DeletePod)[0];
    assert_eq!(options["preconditions"]["uid"], pod().has_uid());
    assert!(options["preconditions"]["resourceVersion"].is_string());
    let event = &race.node.api.bodies(PostEvent)[0];
    assert!(
        event["message"]
            .as_str()
            .unwrap()
            .starts_with("Deleted the Pod: image ")
    );
    assert_eq!(race.condition(), "True");
}

#[tokio::test]
async fn a_delete_whose_answer_was_lost_is_found_at_the_next_look() {
    let race = deleting().await;
    race.node.api.at(DeletePod, 1, Act::DropAnswer);
    race.ends("written").await;
    race.wrote(&[PatchStatus, DeletePod, PostEvent]);
    assert_eq!(race.condition(), "True");
}

#[tokio::test]
async fn a_delete_that_is_not_allowed_takes_the_condition_back() {
    let race = deleting().await;
    race.node
        .api
        .refuse_from(DeletePod, 1, 403, "pods is forbidden");
    race.ends("denied").await;
    race.wrote(&[PatchStatus, DeletePod, PatchStatus]);
    assert_eq!(race.condition(), "False");
}

#[tokio::test]
async fn annotations_that_cannot_be_read_are_told_once() {
    let node = Node::counting_to(3).await;
    let pod = Pod::bad("p")
        .annotation("pullwarden.io/mode", "enforse\u{1b}")
        .annotation("pullwarden.io/image-pull-failure-count", "0");
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    node.turns(2).await;
    assert_eq!(node.api.count(PostEvent), 0, "nothing fails yet");
    node.fail_to(&agent, &pod, 2).await;
    node.asked(PostEvent, 1).await;
    let event = &node.api.bodies(PostEvent)[0];
    assert_eq!(event["reason"], "InvalidAnnotation");
    assert_eq!(
        event["message"],
        "Ignored: pullwarden.io/mode: \"enforse\\u{1b}\" is not off, observe or enforce; \
         pullwarden.io/image-pull-failure-count: \"0\" is not a whole number from 1"
    );
    // Ignored: the node's own count is what decides.
    node.fail_once(&pod);
    assert_eq!(until_ended(&node, 1).await.0, "written");
    let reasons: Vec<Value> = node
        .api
        .bodies(PostEvent)
        .iter()
        .map(|e| e["reason"].clone())
        .collect();
    assert_eq!(reasons, ["InvalidAnnotation", "ImagePullFailed"]);
    assert_eq!(node.api.count(Kind::GetNamespace), 0);
}
