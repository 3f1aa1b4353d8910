//! An agent that may write makes sure first that the API server holds it to its own node.

use std::time::Duration;

use pullwarden::config::OwnPod;
use pullwarden::judge::NodeMode;
use pullwarden::report::{HELD, OFF as SWITCHED_OFF};
use pullwarden::view::GuardTried;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::apiserver::{Act, Kind};
use crate::support::node::{Agent, Node};
use crate::support::pod::{NOT_FOUND, Pod};
use crate::support::until;

pub const MINUTE: Duration = Duration::from_secs(61);

pub const DENIED: &str = "pods \"agent\" is forbidden: ValidatingAdmissionPolicy 'pullwarden-pods' with binding 'pullwarden-pods' denied request: pullwarden.io/held: no agent may set the label pullwarden.io/must-be-denied";

pub const OFF: &str = "pods \"agent\" is forbidden: ValidatingAdmissionPolicy 'pullwarden-off' with binding 'pullwarden-off' denied request: pullwarden.io/writes-off: writes are switched off (kubectl delete -k deploy/off switches them on)";

fn pod() -> Pod {
    Pod::bad("p")
}

/// A node whose agent runs in a Pod, and fails Pods at their first failure.
pub async fn node() -> Node {
    let mut node = Node::counting_to(1).await;
    node.config.startup.own_pod = Some(OwnPod {
        namespace: "pullwarden".to_owned(),
        name: "agent".to_owned(),
    });
    let own = Pod::new("agent").namespace("pullwarden").uid("agent");
    node.api.store().put(&own);
    node
}

pub async fn fails_one(node: &Node, agent: &Agent) {
    node.add(&pod());
    agent.judges(&pod()).await;
    node.fail_once(&pod());
}

#[tokio::test]
async fn what_must_be_denied_is_tried_once_and_only_for_show() {
    let node = node().await;
    node.api.refuse_from(Kind::TryPatch, 1, 403, DENIED);
    let agent = node.agent();
    fails_one(&node, &agent).await;
    node.asked(Kind::PostEvent, 1).await;
    assert_eq!(node.api.count(Kind::TryPatch), 1);
    assert_eq!(node.api.kinds()[0], Kind::TryPatch);
    let tried = &node.api.log()[0];
    assert_eq!(tried.path, "/api/v1/namespaces/pullwarden/pods/agent");
    assert!(
        tried
            .query
            .contains(&("dryRun".to_owned(), "All".to_owned()))
    );
    assert_eq!(agent.status().await.guard_tried, GuardTried::Yes);
}

#[tokio::test]
async fn a_busy_api_server_is_asked_again_after_the_time_that_it_asks_for() {
    let node = node().await;
    node.api.at(Kind::TryPatch, 1, Act::RefuseFor(429, 2));
    node.api.refuse_from(Kind::TryPatch, 2, 403, DENIED);
    let began = Instant::now();
    let agent = node.agent();
    fails_one(&node, &agent).await;
    node.asked(Kind::PostEvent, 1).await;
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(node.api.count(Kind::TryPatch), 2);
}

#[tokio::test]
async fn an_agent_that_nothing_holds_does_not_start() {
    let node = node().await;
    let error = node.agent().ends().await.unwrap_err().to_string();
    assert!(
        error.contains("mode: enforce: nothing holds this agent to its own node"),
        "{error}"
    );
    assert_eq!(node.api.kinds(), [Kind::TryPatch]);
}

#[tokio::test]
async fn an_agent_that_cannot_find_itself_does_not_start() {
    let mut node = node().await;
    node.config.startup.own_pod = Some(OwnPod {
        namespace: "pullwarden".to_owned(),
        name: "another".to_owned(),
    });
    let error = node.agent().ends().await.unwrap_err().to_string();
    assert!(
        error.contains("pullwarden/another does not exist"),
        "{error}"
    );
}

/// A proxy may answer 404 while the API server is away.
#[tokio::test]
async fn a_404_of_something_else_is_no_answer() {
    let node = node().await;
    let page = Act::RefuseWith(json!({"code": 404, "message": "404 page not found"}));
    node.api.at(Kind::TryPatch, 1, page);
    node.api.refuse_from(Kind::TryPatch, 2, 403, DENIED);
    let agent = node.agent();
    fails_one(&node, &agent).await;
    node.asked(Kind::PatchPod, 1).await;
    assert_eq!(node.api.count(Kind::TryPatch), 2);
}

#[tokio::test]
async fn an_observing_agent_has_nothing_to_try() {
    let mut node = node().await;
    node.config.policy.mode = NodeMode::Observe;
    let agent = node.agent();
    fails_one(&node, &agent).await;
    node.asked(Kind::PostEvent, 1).await;
    assert_eq!(node.api.count(Kind::TryPatch), 0);
    assert_eq!(agent.status().await.guard_tried, GuardTried::NotYet);
}

#[tokio::test]
async fn without_an_answer_it_starts_and_writes_nothing_before_there_is_one() {
    let node = node().await;
    node.kubelet.up();
    node.api.down().await;
    let agent = node.agent();
    node.add(&pod());
    agent.judges(&pod()).await;
    assert_eq!(agent.status().await.guard_tried, GuardTried::NotYet);
    node.api.refuse_from(Kind::TryPatch, 1, 403, DENIED);
    node.api.up().await;
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    let kinds = node.api.kinds();
    assert_eq!(
        kinds[..5],
        [
            Kind::TryPatch,
            Kind::Get,
            Kind::GetFleet,
            Kind::PatchFleet,
            Kind::PatchStatus
        ],
        "{kinds:?}"
    );
}

/// The kill switch denies everything: that tells nothing of what is let through without it.
#[tokio::test]
async fn switched_off_it_starts_and_tries_it_anew_before_each_write() {
    let node = node().await;
    for nth in [1, 2] {
        node.api.at(Kind::TryPatch, nth, Act::Refuse(403, OFF));
    }
    node.api.refuse_from(Kind::TryPatch, 4, 403, DENIED);
    let agent = node.agent();
    fails_one(&node, &agent).await;
    until_denied(&node, 2, "writes are switched off").await;
    assert_eq!(agent.status().await.guard_tried, GuardTried::NotYet);

    // Switched on again, and nothing else holds it.
    fails_again(&node);
    until_denied(&node, 3, "nothing holds this agent").await;
    assert!(node.api.writes().is_empty(), "{:?}", node.api.writes());

    fails_again(&node);
    node.asked(Kind::PostEvent, 1).await;
    assert_eq!(node.api.count(Kind::TryPatch), 4);
    assert_eq!(agent.status().await.guard_tried, GuardTried::Yes);
}

/// Denials that prove nothing, as the API server words them.
fn denials_of_others() -> Vec<Value> {
    let status = |code: u16, reason: &str, message: &str, causes: Value| {
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
            "details": {"name": "agent", "kind": "pods", "causes": causes}})
    };
    let policy = |words: &str| {
        let cause =
            format!("ValidatingAdmissionPolicy 'x' with binding 'x' denied request: {words}");
        let message = format!("pods \"agent\" is forbidden: {cause}");
        status(403, "Forbidden", &message, json!([{ "message": cause }]))
    };
    let webhook = |code: u16, words: &str| {
        let message = format!("admission webhook \"w.example\" denied the request: {words}");
        status(code, "Forbidden", &message, json!([]))
    };
    vec![
        status(
            403,
            "Forbidden",
            r#"pods "agent" is forbidden: User "system:serviceaccount:pullwarden:pullwarden" cannot patch resource "pods" in API group "" in the namespace "pullwarden""#,
            json!([]),
        ),
        webhook(403, "labels must not be changed"),
        webhook(
            422,
            "the label pullwarden.io/must-be-denied is not known here",
        ),
        webhook(400, "without explanation"),
        // Somebody else's policy, and the own one in an earlier version.
        policy("only the team may set labels"),
        policy("pullwarden: an agent changes Pending Pods only"),
        // Words that the policy's would be, where anybody may have quoted them.
        webhook(403, HELD),
        policy("pullwarden: no agent may set the label pullwarden.io/must-be-denied"),
        policy(&format!("no label {HELD}: is allowed")),
        status(
            422,
            "Invalid",
            r#"Pod "agent" is invalid: metadata.labels: Invalid value: "pullwarden.io/must-be-denied": no"#,
            json!([{ "reason": "FieldValueInvalid", "field": "metadata.labels",
                "message": r#"Invalid value: "pullwarden.io/must-be-denied": no"# }]),
        ),
        status(
            422,
            "Invalid",
            "the code, quoted from the object",
            json!([{ "reason": "FieldValueInvalid", "field": "metadata.labels",
                "message": format!("Invalid value: {HELD}: no") }]),
        ),
    ]
}

#[tokio::test]
async fn a_denial_of_somebody_else_proves_nothing() {
    for denial in denials_of_others() {
        let node = node().await;
        for nth in [1, 2] {
            let refuse = Act::RefuseWith(denial.clone());
            node.api.at(Kind::TryPatch, nth, refuse);
        }
        node.api.refuse_from(Kind::TryPatch, 3, 403, DENIED);
        let agent = node.agent();
        fails_one(&node, &agent).await;
        until_denied(&node, 2, "is not proved").await;
        assert_eq!(agent.status().await.guard_tried, GuardTried::NotYet);
        assert!(node.api.writes().is_empty(), "{denial}");

        // The policy answers now.
        fails_again(&node);
        node.asked(Kind::PostEvent, 1).await;
        assert_eq!(
            agent.status().await.guard_tried,
            GuardTried::Yes,
            "{denial}"
        );
    }
}

#[test]
fn the_policies_deny_with_the_codes_that_the_agent_knows() {
    let base = codes(include_str!("../../../deploy/base/policy.yaml"));
    // The API server names the first validation that denies.
    assert_eq!(base.first(), Some(&HELD));
    assert_eq!(base.iter().filter(|code| **code == HELD).count(), 1);
    assert!(!base.contains(&SWITCHED_OFF), "{base:?}");
    let off = codes(include_str!("../../../deploy/off/policy.yaml"));
    assert_eq!(off, [SWITCHED_OFF; 2]);
}

/// Texts before the colon in the messages of a policy.
fn codes(policy: &str) -> Vec<&str> {
    let lines = policy.lines().map(str::trim);
    let messages = lines.filter_map(|line| line.strip_prefix("message: \"")?.split_once(": "));
    messages.map(|(code, _)| code).collect()
}

/// The image fails once more, after the agent has left the Pod alone for a minute.
pub fn fails_again(node: &Node) {
    node.advance(MINUTE);
    node.report(&pod().pausing(NOT_FOUND));
    node.fail_once(&pod());
}

/// After so many tries a report was denied with these words.
pub async fn until_denied(node: &Node, tries: usize, with: &str) {
    until(with, async || {
        let denied = |line: &Value| {
            let detail = line["detail"].as_str().unwrap_or_default();
            line["ending"] == "denied" && detail.contains(with)
        };
        node.lines().iter().any(denied)
    })
    .await;
    assert_eq!(node.api.count(Kind::TryPatch), tries);
}

#[tokio::test]
async fn set_to_enforce_while_it_runs_it_is_tried_before_the_first_write() {
    let node = node().await;
    let file = node.path().join("config.yaml");
    let observe = "mode: observe\nwarmUp: 0s\nimagePullFailureCount: 1\n";
    std::fs::write(&file, observe).unwrap();
    let agent = node.agent_of(&file);
    std::fs::write(&file, observe.replace("observe", "enforce")).unwrap();
    until("it enforces", async || {
        agent.status().await.mode == NodeMode::Enforce
    })
    .await;
    fails_one(&node, &agent).await;
    until_denied(&node, 1, "nothing holds this agent").await;
    assert!(node.api.writes().is_empty(), "{:?}", node.api.writes());
    assert!(agent.runs());
}
