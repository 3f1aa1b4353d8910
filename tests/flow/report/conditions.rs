//! Our two conditions: which causes set the second one, and that both are always written together.

use std::time::Duration;

use pullwarden::judge::{BehindMirror, Cause};
use serde_json::{Value, json};

use crate::agent::restarts::{OURS, marked_and_killed, statuses};
use crate::support::apiserver::Act;
use crate::support::apiserver::Kind::{Get, PatchPod, PatchStatus, PostEvent};
use crate::support::node::Node;
use crate::support::pod::{DENIED, NOT_FOUND, Pod};
use crate::support::race::{Race, pod};
use crate::support::until;

/// Another node may have the platform that this image is for.
const OTHER_PLATFORM: &str = "rpc error: code = NotFound desc = get image config descriptor: \
    no match for platform in manifest sha256:0: not found";

/// The conditions of the only write of conditions: each one's type, status and reason.
fn written(node: &Node) -> Vec<[Value; 3]> {
    let bodies = node.api.bodies(PatchStatus);
    assert_eq!(bodies.len(), 1, "one write");
    let conditions = bodies[0]["status"]["conditions"].as_array().unwrap();
    let parts = |c: &Value| ["type", "status", "reason"].map(|key| c[key].clone());
    conditions.iter().map(parts).collect()
}

/// A gang whose policy matches the second condition ends for these causes alone.
#[test]
fn only_these_causes_speak_for_every_node() {
    let everywhere = Cause::ALL.into_iter().filter(|c| c.fails_everywhere());
    let expected = [
        Cause::ImageNotFound,
        Cause::InvalidImageName,
        Cause::UnsupportedManifest,
        Cause::InvalidManifest,
    ];
    assert_eq!(everywhere.collect::<Vec<_>>(), expected);
}

/// A manifest of a form that is not supported any more.
const SCHEMA_1: &str = r#"failed to pull and unpack image "r.test/bad:1": not implemented: media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported since containerd v2.1, please rebuild the image"#;

/// Gangs must not end because of an answer that a mirror of this node gave.
#[tokio::test]
async fn behind_a_mirror_no_answer_says_that_the_image_is_unavailable() {
    for (mirrors, conditions) in [
        (BehindMirror::default(), 2),
        (BehindMirror::Only(["r.test".to_owned()].into()), 1),
        (BehindMirror::All, 1),
    ] {
        let mut node = Node::counting_to(1).await;
        node.config.policy.behind_mirror = mirrors;
        node.add(&Pod::bad("p"));
        let agent = node.agent();
        agent.judges(&Pod::bad("p")).await;
        node.report(&pod().failing(SCHEMA_1));
        node.asked(PostEvent, 1).await;
        let cause = json!("UnsupportedManifest");
        let expected = OURS.map(|kind| [json!(kind), json!("True"), cause.clone()]);
        assert_eq!(written(&node), expected[..conditions]);
    }
}

#[tokio::test]
async fn one_write_sets_what_the_cause_asks_for() {
    for (pod, cause, conditions) in [
        (pod().failing(NOT_FOUND), "ImageNotFound", 2),
        (
            pod().waiting("c", "InvalidImageName", ""),
            "InvalidImageName",
            2,
        ),
        (pod().failing(OTHER_PLATFORM), "NoMatchingPlatform", 1),
        (pod().waiting("c", "ErrImageNeverPull", ""), "NeverPull", 1),
        (pod().failing(DENIED), "Denied", 1),
    ] {
        let mut node = Node::counting_to(1).await;
        node.config.brake.new_node = Duration::ZERO;
        node.add(&Pod::bad("p"));
        let agent = node.agent();
        agent.judges(&Pod::bad("p")).await;
        node.report(&pod);
        until("the Pod is failed", async || {
            // A standing reason is decided by the clock.
            node.advance(Duration::from_secs(5));
            node.api.count(PostEvent) == 1
        })
        .await;
        let expected = OURS.map(|kind| [json!(kind), json!("True"), json!(cause)]);
        assert_eq!(written(&node), expected[..conditions]);
    }
}

/// `podFailurePolicy` would match a condition that was left.
#[tokio::test]
async fn a_revert_takes_both_back_in_one_write() {
    let race = Race::start().await;
    race.node
        .api
        .refuse_from(PatchPod, 1, 403, "writes are switched off");
    race.ends("denied").await;
    race.wrote(&[PatchStatus, PatchPod, PatchStatus]);
    let revert = &race.node.api.bodies(PatchStatus)[1]["status"]["conditions"];
    for (nth, kind) in OURS.iter().enumerate() {
        assert_eq!(revert[nth]["type"], *kind);
        assert_eq!(revert[nth]["status"], "False");
    }
    assert_eq!(statuses(&race.node), ["False", "False"]);
}

/// Sets the status of one of our conditions on the Pod of [`marked_and_killed`]; Null removes it.
fn set(node: &Node, kind: &str, status: &Value) {
    node.api.store().edit("p", |pod| {
        let conditions = pod["status"]["conditions"].as_array_mut().unwrap();
        conditions.retain(|c| c["type"] != kind);
        if !status.is_null() {
            conditions.push(json!({"type": kind, "status": status}));
        }
    });
}

#[tokio::test]
async fn either_condition_alone_is_reverted_alone() {
    for (left, other) in [
        (0, Value::Null),
        (0, json!("False")),
        (1, Value::Null),
        (1, json!("False")),
    ] {
        let node = marked_and_killed().await;
        set(&node, OURS[1 - left], &other);
        node.report(&pod().running("c").phase("Running"));
        let _agent = node.agent();
        until("the condition is reverted", async || {
            node.advance(Duration::from_secs(5));
            statuses(&node)[left] == "False"
        })
        .await;
        let expected = [json!(OURS[left]), json!("False"), json!("NotFailed")];
        assert_eq!(written(&node), [expected]);
        assert_eq!(statuses(&node)[1 - left], other, "as it was");
    }
}

/// The node keeps both conditions and begins again; then the pull fails for another cause.
async fn fails_for_another_cause(node: &Node) {
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.report(&pod().pausing(NOT_FOUND));
    node.turns(1).await;
    node.report(&pod().failing(OTHER_PLATFORM));
    until("the report has ended", async || {
        node.lines().iter().any(|line| line["kind"] == "report")
    })
    .await;
    node.turns(2).await;
}

#[tokio::test]
async fn a_second_write_for_another_cause_corrects_the_first() {
    let node = marked_and_killed().await;
    fails_for_another_cause(&node).await;
    node.asked(PostEvent, 1).await;
    assert_eq!(node.api.writes(), [PatchStatus, PatchPod, PostEvent]);
    let cause = json!("NoMatchingPlatform");
    let expected = [("True", OURS[0]), ("False", OURS[1])]
        .map(|(status, kind)| [json!(kind), json!(status), cause.clone()]);
    assert_eq!(written(&node), expected);
    assert_eq!(statuses(&node), ["True", "False"]);
}

#[tokio::test]
async fn a_second_write_adds_what_the_first_did_not_have() {
    let node = marked_and_killed().await;
    set(&node, OURS[1], &Value::Null);
    node.report(&pod().pausing(NOT_FOUND));
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    node.asked(PostEvent, 1).await;
    assert_eq!(node.api.writes(), [PatchStatus, PatchPod, PostEvent]);
    assert_eq!(statuses(&node), ["True", "True"]);
}

/// The conditions that stood before the write still stand.
#[tokio::test]
async fn a_second_write_that_is_denied_leaves_nothing_true() {
    let node = marked_and_killed().await;
    let denied = Act::Refuse(403, "writes are switched off");
    node.api.at(PatchStatus, 1, denied);
    fails_for_another_cause(&node).await;
    assert_eq!(node.api.writes(), [PatchStatus, PatchStatus]);
    assert_eq!(statuses(&node), ["False", "False"]);
    assert_eq!(node.api.count(PatchPod), 0);
    assert!(
        node.api.count(Get) >= 2,
        "it was read before it was reverted"
    );
}
