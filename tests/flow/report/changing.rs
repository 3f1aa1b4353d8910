//! A policy that changes while a report is under way.

use std::sync::Arc;

use jiff::Timestamp;
use kube::{Client, Config};
use pullwarden::clock::Clock;
use pullwarden::judge::{Action, NodeMode, Outcome, Policy};
use pullwarden::report::{Account, Guard, InForce, Permits, fail};
use serde_json::json;
use tokio::sync::watch;

use crate::support::apiserver::{ApiServer, Kind};
use crate::support::judge;
use crate::support::pod::{NOT_FOUND, Pod};
use crate::support::store::Store;

/// A report during which the policy changes, just before the fleet budget is written.
async fn changing(api: &ApiServer, from: Policy, to: Policy) -> Account {
    changing_at(api, Kind::PatchFleet, |_| {}, from, to).await
}

/// A report during which the policy and the Pod change, just before a request is answered.
async fn changing_at(
    api: &ApiServer,
    kind: Kind,
    pod_too: fn(&mut Store),
    from: Policy,
    to: Policy,
) -> Account {
    let client = Client::try_from(Config::new(api.url().parse().unwrap())).unwrap();
    let (sender, _receiver) = watch::channel(Arc::new(from));
    let in_force = InForce::of(&sender);
    api.before(kind, 1, move |store| {
        pod_too(store);
        sender.send_replace(Arc::new(to));
    });
    let request = judge::to_fail(&waiting());
    let permits = Permits::of(Guard::new(None, Clock::default()));
    fail(
        &client,
        &request,
        &in_force,
        &permits,
        Timestamp::UNIX_EPOCH,
    )
    .await
}

fn policy(mode: NodeMode, action: Action) -> Policy {
    Policy {
        action,
        fleet: Some(judge::FLEET),
        ..judge::policy(mode)
    }
}

fn enforcing() -> Policy {
    policy(NodeMode::Enforce, Action::Fail)
}

async fn with_pod(pod: &Pod) -> ApiServer {
    let api = ApiServer::start().await;
    api.store().put(pod);
    api
}

fn waiting() -> Pod {
    Pod::bad("p").waiting("c", "ErrImagePull", NOT_FOUND)
}

#[tokio::test]
async fn who_observes_since_the_look_marks_no_pod() {
    let api = with_pod(&waiting()).await;
    let observing = policy(NodeMode::Observe, Action::Fail);
    let account = changing(&api, enforcing(), observing).await;
    assert_eq!(account.ending.outcome, Outcome::Spared);
    assert_eq!(account.marked, Some(false));
    assert!(api.writes().is_empty());
}

#[tokio::test]
async fn who_observes_since_the_look_fails_no_marked_pod() {
    // An earlier report was cut off between its two writes.
    let api = with_pod(&waiting()).await;
    changing(&api, enforcing(), enforcing()).await;
    let mut marked = api.store().pod("p").unwrap().clone();
    marked["spec"]["activeDeadlineSeconds"] = json!(null);
    marked["metadata"]["annotations"] = json!({});
    let api = with_pod(&Pod(marked)).await;
    let observing = policy(NodeMode::Observe, Action::Fail);
    let account = changing(&api, enforcing(), observing).await;
    assert_eq!(account.ending.outcome, Outcome::Spared);
    assert_eq!(api.count(Kind::PatchPod), 0);
    // The conditions are reverted.
    assert_eq!(api.writes(), [Kind::PatchStatus]);
    assert_eq!(account.marked, Some(false));
}

#[tokio::test]
async fn a_changed_action_ends_the_pod_in_the_new_way() {
    let api = with_pod(&waiting()).await;
    let deleting = policy(NodeMode::Enforce, Action::Delete);
    let account = changing(&api, deleting, enforcing()).await;
    assert_eq!(account.ending.outcome, Outcome::Written);
    assert_eq!(api.count(Kind::DeletePod), 0);
    assert_eq!(api.count(Kind::PatchPod), 1);
    assert_eq!(account.action(Action::Delete), Action::Fail);
}

#[tokio::test]
async fn a_changed_action_forgets_no_deletion_that_was_sent() {
    let api = with_pod(&waiting()).await;
    // It has reached the Pod, and is answered with a conflict.
    let deleted = |store: &mut Store| {
        store.edit("p", |pod| {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        });
    };
    let deleting = policy(NodeMode::Enforce, Action::Delete);
    let account = changing_at(&api, Kind::DeletePod, deleted, deleting, enforcing()).await;
    assert_eq!(account.ending.outcome, Outcome::Written);
    assert_eq!(account.action(Action::Fail), Action::Delete);
    assert_eq!(api.writes(), [Kind::PatchStatus, Kind::DeletePod]);
}
