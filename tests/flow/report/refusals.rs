//! A write is refused, or its answer is lost.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::apiserver::Act;
use crate::support::apiserver::Kind::{Get, PatchPod, PatchStatus, PostEvent};
use crate::support::node::Node;
use crate::support::pod::{BAD, NOT_FOUND};
use crate::support::race::{Race, pod};
use crate::support::until;

#[tokio::test]
async fn a_second_write_that_fails_takes_the_condition_back() {
    let race = Race::start().await;
    race.node.api.refuse_from(PatchPod, 1, 500, "etcd is away");
    race.ends("failed").await;
    assert_eq!(
        (race.condition(), race.deadline()),
        (json!("False"), Value::Null)
    );
    assert_eq!(
        race.node.api.kinds().last(),
        Some(&PatchStatus),
        "no Event says what did not happen"
    );
    let back = race.node.api.bodies(PatchStatus).pop().unwrap();
    assert_eq!(back["metadata"]["uid"], "uid-p");
}

#[tokio::test]
async fn a_second_write_that_is_never_made_takes_the_condition_back() {
    let race = Race::start().await;
    for nth in 1..=3 {
        race.node.api.at(PatchPod, nth, Act::Drop);
    }
    race.ends("failed").await;
    assert_eq!(
        (race.condition(), race.deadline()),
        (json!("False"), Value::Null)
    );
}

#[tokio::test]
async fn a_denial_is_not_tried_again() {
    for (code, message) in [
        (
            403,
            r#"pods "p" is forbidden: User "x" cannot patch resource "pods" in API group """#,
        ),
        (
            422,
            r#"ValidatingAdmissionPolicy 'pullwarden' with binding 'pullwarden' denied request: not your node"#,
        ),
    ] {
        let race = Race::start().await;
        race.node.api.refuse_from(PatchPod, 1, code, message);
        race.ends("denied").await;
        race.wrote(&[PatchStatus, PatchPod, PatchStatus]);
        assert_eq!(
            (race.condition(), race.deadline()),
            (json!("False"), Value::Null)
        );
        race.node.advance(std::time::Duration::from_secs(3600));
        race.node.turns(5).await;
        assert_eq!(race.node.api.count(PatchPod), 1, "not in a loop");
    }
}

/// The policy lets an agent set this annotation alone, whether it is there or not.
#[tokio::test]
async fn a_failed_at_of_the_pods_author_is_replaced() {
    let race = Race::start().await;
    race.node.api.before(Get, 1, |store| {
        store.edit("p", |pod| {
            pod["metadata"]["annotations"]["pullwarden.io/failed-at"] = json!("long ago");
        });
    });
    race.ends("written").await;
    assert_eq!(race.deadline(), 1);
    let store = race.node.api.store();
    let annotations = &store.pod("p").unwrap()["metadata"]["annotations"];
    let failed_at = annotations["pullwarden.io/failed-at"].as_str().unwrap();
    assert!(failed_at.parse::<jiff::Timestamp>().is_ok(), "{failed_at}");
}

#[tokio::test]
async fn a_denial_of_the_first_write_is_the_only_write() {
    let race = Race::start().await;
    race.node.api.refuse_from(
        PatchStatus,
        1,
        422,
        "ValidatingAdmissionPolicy 'x' denied request: switched off",
    );
    race.ends("denied").await;
    assert_eq!(race.node.api.count(PatchPod), 0);
    assert_eq!(race.condition(), Value::Null);
    let tries = race.node.api.count(PatchStatus);
    race.node.turns(5).await;
    assert_eq!(race.node.api.count(PatchStatus), tries);
}

#[tokio::test]
async fn an_answer_of_the_second_write_that_was_lost_is_found_at_the_next_look() {
    let race = Race::start().await;
    race.node.api.at(PatchPod, 1, Act::DropAnswer);
    race.ends("written").await;
    race.asked(&[Get, PatchStatus, PatchPod, Get, PostEvent]);
    assert_eq!(
        (race.condition(), race.deadline()),
        (json!("True"), json!(1))
    );
}

#[tokio::test]
async fn an_answer_of_the_first_write_that_was_lost_is_found_at_the_next_look() {
    let race = Race::start().await;
    race.node.api.at(PatchStatus, 1, Act::DropAnswer);
    race.ends("written").await;
    race.asked(&[Get, PatchStatus, Get, PatchPod, PostEvent]);
}

#[tokio::test]
async fn a_deadline_that_was_set_is_never_taken_back_though_its_answer_was_lost() {
    let race = Race::start().await;
    race.node.api.refuse_from(Get, 2, 503, "too busy to read");
    race.node.api.at(PatchPod, 1, Act::DropAnswer);
    race.node.fail_once(&pod());
    race.node.asked(PatchPod, 1).await;
    race.node.turns(3).await;
    // The kubelet ends the Pod by our deadline.
    race.node.report(&pod().terminated("c").phase("Failed"));
    race.agent.drops(&pod()).await;
    race.node.turns(3).await;
    assert_eq!(race.deadline(), json!(1));
    assert_eq!(
        race.condition(),
        "True",
        "the Pod was failed by us: {:#?}",
        race.node.lines()
    );
}

#[tokio::test]
async fn an_event_that_exists_is_no_fault() {
    let race = Race::start().await;
    race.node
        .api
        .at(PostEvent, 1, Act::Refuse(409, "already exists"));
    race.ends("written").await;
    let event = race
        .node
        .lines()
        .into_iter()
        .find(|line| line["step"] == "event")
        .unwrap();
    assert_eq!(event["result"], "ok");
}

#[tokio::test]
async fn an_event_that_cannot_be_written_changes_nothing() {
    let race = Race::start().await;
    race.node
        .api
        .refuse_from(PostEvent, 1, 403, "no Events for you");
    race.ends("written").await;
    assert_eq!(
        (race.condition(), race.deadline()),
        (json!("True"), json!(1))
    );
    race.node.turns(3).await;
    assert_eq!(race.node.api.count(PostEvent), 1);
}

#[tokio::test]
async fn what_was_counted_is_on_disk_before_the_first_write() {
    let race = Race::start().await;
    let file = race.node.state_file();
    let (sender, receiver) = std::sync::mpsc::channel();
    race.node.api.before(Get, 1, move |_| {
        sender.send(std::fs::read_to_string(file).unwrap()).unwrap();
    });
    race.ends("written").await;
    let state: Value = serde_json::from_str(&receiver.recv().unwrap()).unwrap();
    let of_pod = &state["ledger"]["pods"]["uid-p"];
    assert_eq!(of_pod["stage"], "Writing");
    assert_eq!(of_pod["images"][BAD]["failures"], 1);
}

#[tokio::test]
async fn a_denied_write_for_a_standing_reason_is_not_tried_at_every_turn() {
    let race = Race::start().await;
    let message = "ValidatingAdmissionPolicy 'pullwarden' with binding 'pullwarden' denied request";
    race.node.api.refuse_from(PatchStatus, 1, 422, message);
    let standing = pod().waiting("c", "InvalidImageName", "");
    race.node.report(&standing);
    race.node.turns(2).await;
    race.node.advance(std::time::Duration::from_secs(31));
    race.ends_again(1, "denied").await;
    race.node.advance(std::time::Duration::from_secs(60));
    race.node.turns(10).await;
    race.wrote(&[PatchStatus]);
}

#[tokio::test]
async fn a_denied_write_costs_no_budget_and_is_not_tried_at_each_failure() {
    let mut node = Node::counting_to(1).await;
    node.config.brake.budget.pods = 1;
    let denied = "ValidatingAdmissionPolicy 'of-the-house' denied request: not this Pod";
    node.api.refuse_from(PatchPod, 1, 403, denied);
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    let reports = async |times: usize| {
        until("the reports have ended", async || {
            let lines = node.lines().into_iter();
            lines.filter(|line| line["kind"] == "report").count() == times
        })
        .await;
    };
    node.fail_once(&pod());
    reports(1).await;
    assert_eq!(agent.status().await.budget_spent, 0);
    // The next failure comes too soon, the one after that is due.
    node.report(&pod().pausing(NOT_FOUND));
    node.advance(Duration::from_secs(200));
    node.fail_once(&pod());
    until("it is held", async || {
        agent.status().await.held.contains_key("denied-write")
    })
    .await;
    assert_eq!(node.api.count(PatchPod), 1);
    node.report(&pod().pausing(NOT_FOUND));
    node.advance(Duration::from_secs(200));
    node.fail_once(&pod());
    reports(2).await;
    // From then on for twice as long.
    node.report(&pod().pausing(NOT_FOUND));
    node.advance(Duration::from_secs(500));
    node.fail_once(&pod());
    until("it is held again", async || {
        agent.status().await.held.contains_key("denied-write")
    })
    .await;
    assert_eq!(node.api.count(PatchPod), 2);
}

#[tokio::test]
async fn a_denied_read_is_made_again_at_the_next_failure() {
    let node = Node::counting_to(1).await;
    // As an API server answers that has just started.
    node.api.at(Get, 1, Act::Refuse(403, "pods is forbidden"));
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    until("the report has ended", async || {
        node.lines().iter().any(|line| line["kind"] == "report")
    })
    .await;
    node.report(&pod().pausing(NOT_FOUND));
    node.turns(2).await;
    node.fail_once(&pod());
    until("the Pod is written to", async || {
        node.api.count(PatchPod) == 1
    })
    .await;
    assert_eq!(node.api.count(Get), 2);
}
