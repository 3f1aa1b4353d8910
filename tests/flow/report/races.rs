//! The Pod changes, or goes away, between the evidence, the last look and the two writes.

use serde_json::{Value, json};

use crate::support::apiserver::Act;
use crate::support::apiserver::Kind::{Get, PatchPod, PatchStatus, PostEvent};
use crate::support::pod::{GOOD, NOT_FOUND, Pod};
use crate::support::race::{Race, pod};

#[tokio::test]
async fn deleted_between_evidence_and_look() {
    let race = Race::start().await;
    race.node.api.before(Get, 1, |store| store.remove(&pod()));
    race.ends("gone").await;
    race.asked(&[Get]);
    race.agent.drops(&pod()).await;
}

#[tokio::test]
async fn deleted_between_look_and_first_write() {
    let race = Race::start().await;
    race.node
        .api
        .before(PatchStatus, 1, |store| store.remove(&pod()));
    race.ends("gone").await;
    race.wrote(&[PatchStatus]);
}

#[tokio::test]
async fn deleted_between_the_writes() {
    let race = Race::start().await;
    race.node
        .api
        .before(PatchPod, 1, |store| store.remove(&pod()));
    race.ends("gone").await;
    race.wrote(&[PatchStatus, PatchPod]);
}

#[tokio::test]
async fn an_api_server_that_is_behind_is_looked_at_again() {
    let race = Race::start().await;
    let behind = || pod().waiting("c", "ContainerCreating", "");
    race.node
        .api
        .before(Get, 1, move |store| store.report(&behind()));
    race.node
        .api
        .before(Get, 4, |store| store.report(&pod().failing(NOT_FOUND)));
    race.ends("written").await;
    race.asked(&[Get, Get, Get, Get, PatchStatus, PatchPod, PostEvent]);
}

#[tokio::test]
async fn a_container_without_a_failure_is_spared_after_six_looks() {
    let race = Race::start().await;
    race.node.api.before(Get, 1, |store| {
        store.report(&pod().waiting("c", "ContainerCreating", ""));
    });
    race.ends("spared").await;
    race.asked(&[Get; 6]);
}

/// Its own pull is only just beginning.
fn replacement() -> Pod {
    pod().uid("another").waiting("c", "ContainerCreating", "")
}

#[tokio::test]
async fn replaced_between_evidence_and_look() {
    let race = Race::start().await;
    race.node
        .api
        .before(Get, 1, |store| store.put(&replacement()));
    race.ends("spared").await;
    race.asked(&[Get]);
    assert_eq!(
        (race.condition(), race.deadline()),
        (Value::Null, Value::Null)
    );
}

#[tokio::test]
async fn replaced_between_look_and_first_write() {
    let race = Race::start().await;
    race.node
        .api
        .before(PatchStatus, 1, |store| store.put(&replacement()));
    race.ends("spared").await;
    race.asked(&[Get, PatchStatus, Get]);
    assert_eq!(
        (race.condition(), race.deadline()),
        (Value::Null, Value::Null)
    );
}

#[tokio::test]
async fn replaced_between_the_writes() {
    let race = Race::start().await;
    race.node
        .api
        .before(PatchPod, 1, |store| store.put(&replacement()));
    race.ends("spared").await;
    race.asked_and_read_after_a_late_report(&[Get, PatchStatus, PatchPod, Get]);
    assert_eq!(
        (race.condition(), race.deadline()),
        (Value::Null, Value::Null)
    );
}

#[tokio::test]
async fn another_uid_is_told_from_a_denial() {
    let race = Race::start().await;
    let message = r#"Pod "p" is invalid: metadata.uid: Invalid value: "uid-p": field is immutable"#;
    race.node.api.at(PatchStatus, 1, Act::Refuse(422, message));
    race.ends("written").await;
    race.asked(&[Get, PatchStatus, Get, PatchStatus, PatchPod, PostEvent]);
}

#[tokio::test]
async fn a_pod_that_changed_is_looked_at_again() {
    let race = Race::start().await;
    race.node.api.before(PatchStatus, 1, |store| {
        store.edit("p", |pod| {
            pod["metadata"]["annotations"]["theirs"] = json!("1")
        });
    });
    race.ends("written").await;
    race.asked(&[Get, PatchStatus, Get, PatchStatus, PatchPod, PostEvent]);
    assert_eq!(
        (race.condition(), race.deadline()),
        (json!("True"), json!(1))
    );
}

#[tokio::test]
async fn a_pod_that_keeps_changing_is_left_after_three_looks() {
    let race = Race::start().await;
    for nth in 1..=3 {
        race.node.api.before(PatchStatus, nth, move |store| {
            store.edit("p", |pod| {
                pod["metadata"]["annotations"]["theirs"] = json!(nth.to_string())
            });
        });
    }
    race.ends("failed").await;
    race.wrote(&[PatchStatus; 3]);
    assert_eq!(race.condition(), Value::Null);
    // It is left for its next failure, and no longer.
    race.node.report(&pod().pausing(NOT_FOUND));
    race.node.fail_once(&pod());
    race.ends_again(2, "written").await;
}

#[tokio::test]
async fn a_pod_whose_status_moved_between_the_writes_is_judged_again() {
    let race = Race::start().await;
    race.node.api.before(PatchPod, 1, |store| {
        store.report(&pod().running("c").phase("Running"))
    });
    race.ends("spared").await;
    race.wrote(&[PatchStatus, PatchPod, PatchStatus]);
    assert_eq!(
        (race.condition(), race.deadline()),
        (json!("False"), Value::Null)
    );
}

#[tokio::test]
async fn a_container_that_runs_at_the_last_look_spares() {
    let race = Race::start().await;
    race.node
        .api
        .before(Get, 1, |store| store.report(&pod().running("c")));
    race.ends("spared").await;
    race.asked(&[Get]);
}

#[tokio::test]
async fn switched_off_at_the_last_look_spares() {
    let race = Race::start().await;
    race.node.api.before(Get, 1, |store| {
        store.edit("p", |pod| {
            pod["metadata"]["annotations"]["pullwarden.io/mode"] = json!("off")
        });
    });
    race.ends("spared").await;
    race.asked(&[Get]);
}

#[tokio::test]
async fn an_edited_image_at_the_last_look_spares() {
    let race = Race::start().await;
    race.node.api.before(Get, 1, |store| {
        store.edit("p", |pod| {
            pod["spec"]["containers"][0]["image"] = json!(GOOD)
        })
    });
    race.ends("spared").await;
    race.asked(&[Get]);
}

#[tokio::test]
async fn a_late_view_of_a_pod_that_was_replaced_condemns_nobody_again() {
    let race = Race::start().await;
    // The watch tells of what became of the Pod only after the report has ended.
    race.node.api.before(Get, 1, |store| {
        store.hold_watches();
        store.edit("p", |pod| {
            pod["metadata"]["annotations"]["theirs"] = json!("1")
        });
        store.put(&replacement());
    });
    race.ends("spared").await;
    race.node.api.store().release_watches();
    race.agent.judges(&replacement()).await;
    race.node.turns(2).await;
    race.asked(&[Get]);
    assert_eq!(
        race.agent.status().await.budget_spent,
        1,
        "one Pod was failed, once"
    );
}
