//! What is tried again after a pause, and what is not: an answer that is final.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::apiserver::Act;
use crate::support::apiserver::Kind::{Get, PatchPod, PatchStatus, PostEvent};
use crate::support::node::Node;
use crate::support::race::{Race, pod};
use crate::support::until;

/// The shortest pauses before a second and a third try.
const PAUSES: Duration = Duration::from_millis(250 + 500);

/// The report ends this way, and takes so long at least.
async fn ends_after(race: &Race, expected: &str, at_least: Duration) {
    let began = Instant::now();
    race.ends(expected).await;
    let took = began.elapsed();
    assert!(took >= at_least, "{took:?}");
}

/// The report ends this way at once: before there could be a second try.
async fn ends_at_once(race: &Race, expected: &str) {
    race.ends(expected).await;
    // A second try would have come within this time, of 30 ms each.
    race.node.turns(25).await;
}

/// What the Event on the Pod came to, once it is known.
async fn event(node: &Node) -> serde_json::Value {
    let mut result = json!(null);
    until("the Event is written or given up", async || {
        let lines = node.lines();
        let event = lines.iter().find(|line| line["step"] == "event");
        result = event.map_or(json!(null), |line| line["result"].clone());
        event.is_some()
    })
    .await;
    result
}

#[tokio::test]
async fn a_write_that_fails_is_made_again_after_pauses() {
    let race = Race::start().await;
    let api = &race.node.api;
    api.at(PatchStatus, 1, Act::Refuse(500, "etcd is away"));
    api.at(PatchStatus, 2, Act::Drop);
    ends_after(&race, "written", PAUSES).await;
    race.wrote(&[PatchStatus, PatchStatus, PatchStatus, PatchPod, PostEvent]);
}

#[tokio::test]
async fn retry_after_is_kept() {
    for code in [429, 503] {
        let race = Race::start().await;
        race.node.api.at(PatchPod, 1, Act::RefuseFor(code, 2));
        ends_after(&race, "written", Duration::from_secs(2)).await;
        race.wrote(&[PatchStatus, PatchPod, PatchPod, PostEvent]);
    }
}

#[tokio::test]
async fn a_condition_that_cannot_be_taken_back_is_tried_again() {
    let race = Race::start().await;
    let api = &race.node.api;
    api.refuse_from(PatchPod, 1, 403, "not this one");
    api.at(PatchStatus, 2, Act::Refuse(503, "busy"));
    ends_after(&race, "denied", PAUSES / 3).await;
    assert_eq!(race.condition(), "False");
    race.wrote(&[PatchStatus, PatchPod, PatchStatus, PatchStatus]);
}

#[tokio::test]
async fn an_event_is_tried_again() {
    let race = Race::start().await;
    let api = &race.node.api;
    api.at(PostEvent, 1, Act::Refuse(500, "etcd is away"));
    api.at(PostEvent, 2, Act::RefuseFor(429, 1));
    api.at(PostEvent, 3, Act::DropAnswer);
    race.node.fail_once(&pod());
    assert_eq!(event(&race.node).await, "ok");
    assert_eq!(api.count(PostEvent), 4, "the last one found it written");
}

#[tokio::test]
async fn an_event_is_given_up_after_four_tries() {
    let race = Race::start().await;
    race.node.api.refuse_from(PostEvent, 1, 500, "etcd is away");
    race.node.fail_once(&pod());
    assert_eq!(event(&race.node).await, "500 etcd is away");
    assert_eq!(race.node.api.count(PostEvent), 4);
}

#[tokio::test]
async fn a_final_answer_to_a_write_is_taken_at_once() {
    let races = [400, 401, 403, 405, 413, 415, 422].map(async |code| {
        let race = Race::start().await;
        race.node.api.refuse_from(PatchStatus, 1, code, "no");
        ends_at_once(&race, "denied").await;
        race.wrote(&[PatchStatus]);
    });
    futures_util::future::join_all(races).await;
}

#[tokio::test]
async fn a_final_answer_to_an_event_is_taken_at_once() {
    let races = [400, 403, 422].map(async |code| {
        let race = Race::start().await;
        race.node.api.refuse_from(PostEvent, 1, code, "no");
        ends_at_once(&race, "written").await;
        assert_eq!(race.node.api.count(PostEvent), 1, "{code}");
    });
    futures_util::future::join_all(races).await;
}

#[tokio::test]
async fn a_look_that_is_forbidden_is_not_made_again() {
    let race = Race::start().await;
    race.node.api.refuse_from(Get, 1, 403, "pods is forbidden");
    ends_at_once(&race, "denied").await;
    race.asked(&[Get]);
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let race = Race::start().await;
    let endless = json!({ "metadata": { "name": "x".repeat(11 << 20) } });
    race.node.api.at(Get, 1, Act::Answer(endless));
    race.ends("written").await;
    race.asked(&[Get, Get, PatchStatus, PatchPod, PostEvent]);
}

/// A Status that says that there is no such object. A 404 without one may be a proxy's.
fn not_found() -> Act {
    Act::RefuseWith(json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": 404, "reason": "NotFound", "message": "no",
    }))
}

#[tokio::test]
async fn an_object_that_is_not_there_is_not_asked_for_again() {
    let race = Race::start().await;
    race.node.api.at(PatchStatus, 1, not_found());
    ends_at_once(&race, "gone").await;
    race.wrote(&[PatchStatus]);
    let race = Race::start().await;
    race.node.api.at(PostEvent, 1, not_found());
    ends_at_once(&race, "written").await;
    assert_eq!(race.node.api.count(PostEvent), 1);
}
