//! The guard's proof over time: it is made again, and what happens while it cannot be made.

use std::time::Duration;

use futures_util::future::join_all;
use kube::{Client, Config};
use pullwarden::clock::Clock;
use pullwarden::report::Guard;
use pullwarden::view::GuardTried;
use serde_json::Value;

use super::guarding::{DENIED, MINUTE, OFF, fails_again, fails_one, node, until_denied};
use crate::support::apiserver::{Act, Kind};
use crate::support::node::{Agent, Node};
use crate::support::pod::Pod;
use crate::support::until;

/// Another Pod fails for the same image, and its report ends this way.
async fn another_ends(node: &Node, agent: &Agent, name: &str, ending: &str) {
    let another = Pod::bad(name);
    node.add(&another);
    agent.judges(&another).await;
    node.fail_once(&another);
    until(ending, async || {
        let is_its = |line: &Value| line["kind"] == "report" && line["pod"] == name;
        let lines = node.lines();
        let mut of_pod = lines.iter().filter(|line| is_its(line));
        of_pod
            .next_back()
            .is_some_and(|line| line["ending"] == ending)
    })
    .await;
}

/// The kinds of the last requests, without those of the watch and the Events.
fn last<const N: usize>(node: &Node) -> Vec<Kind> {
    let kinds = node.api.kinds().into_iter();
    let is_other = |kind: &Kind| !matches!(kind, Kind::List | Kind::Watch | Kind::PostEvent);
    let kinds: Vec<Kind> = kinds.filter(is_other).collect();
    kinds[kinds.len() - N..].to_vec()
}

#[tokio::test]
async fn the_proof_is_made_again_after_eight_minutes() {
    let node = node().await;
    node.api.refuse_from(Kind::TryPatch, 1, 403, DENIED);
    let agent = node.agent();
    fails_one(&node, &agent).await;
    node.asked(Kind::PostEvent, 1).await;
    node.advance(Duration::from_secs(7 * 60));
    another_ends(&node, &agent, "q", "written").await;
    assert_eq!(node.api.count(Kind::TryPatch), 1);
    node.advance(Duration::from_secs(70));
    another_ends(&node, &agent, "r", "written").await;
    assert_eq!(node.api.count(Kind::TryPatch), 2);
    let expected = [
        Kind::TryPatch,
        Kind::Get,
        Kind::GetFleet,
        Kind::PatchFleet,
        Kind::PatchStatus,
        Kind::PatchPod,
    ];
    assert_eq!(last::<6>(&node), expected);
}

#[tokio::test]
async fn a_long_pause_that_is_asked_for_ends_the_report_without_a_dry_run() {
    let node = node().await;
    node.api.at(Kind::TryPatch, 1, Act::RefuseFor(429, 60));
    node.api.refuse_from(Kind::TryPatch, 2, 403, DENIED);
    let agent = node.agent();
    node.asked(Kind::TryPatch, 1).await;
    node.turns(3).await;
    for name in ["q", "r", "s"] {
        another_ends(&node, &agent, name, "failed").await;
    }
    assert_eq!(node.api.count(Kind::TryPatch), 1);
    node.advance(MINUTE);
    another_ends(&node, &agent, "t", "written").await;
    assert_eq!(node.api.count(Kind::TryPatch), 2);
}

#[tokio::test]
async fn reports_that_wait_for_a_dry_run_take_its_answer() {
    let node = node().await;
    node.api
        .at(Kind::TryPatch, 1, Act::Refuse(500, "etcd is away"));
    node.api.refuse_from(Kind::TryPatch, 2, 403, DENIED);
    // Unlike the client of the agent, this one tries a 503 again by itself.
    let client = Client::try_from(Config::new(node.api.url().parse().unwrap())).unwrap();
    let guard = Guard::new(node.config.startup.own_pod.clone(), Clock::default());
    let reports = [(); 3].map(|()| guard.make_sure(&client));
    for proved in join_all(reports).await {
        assert!(proved.is_err(), "{proved:?}");
    }
    assert_eq!(node.api.count(Kind::TryPatch), 1);
    assert_eq!(guard.make_sure(&client).await, Ok(()));
    assert_eq!(node.api.count(Kind::TryPatch), 2);
}

#[tokio::test]
async fn a_node_with_nothing_to_write_renews_no_proof() {
    let node = node().await;
    node.api.refuse_from(Kind::TryPatch, 1, 403, DENIED);
    let agent = node.agent();
    node.asked(Kind::TryPatch, 1).await;
    for _ in 0..6 {
        node.advance(Duration::from_secs(600));
        node.turns(2).await;
    }
    assert_eq!(node.api.kinds(), [Kind::TryPatch]);
    assert_eq!(agent.status().await.guard_tried, GuardTried::Yes);
}

#[tokio::test]
async fn a_policy_deleted_while_enforcing_stops_the_writes() {
    let node = node().await;
    node.api.at(Kind::TryPatch, 1, Act::Refuse(403, DENIED));
    let agent = node.agent();
    node.asked(Kind::TryPatch, 1).await;
    node.advance(Duration::from_secs(9 * 60));
    fails_one(&node, &agent).await;
    until_denied(&node, 2, "nothing holds this agent").await;
    node.turns(2).await;
    assert_eq!(last::<1>(&node), [Kind::TryPatch], "no token, no write");
    let status = agent.status().await;
    let why = status.writes_stopped.clone().unwrap();
    assert!(why.starts_with("nothing holds this agent"), "{why}");
    assert_eq!(status.pods[0].held_by, ["stopped"]);
    assert_eq!((status.held["stopped"], status.budget_spent), (1, 0));
    assert_eq!(status.guard_tried, GuardTried::NotYet);
    let metrics = &agent.metrics.agent;
    assert_eq!((metrics.unguarded.get(), metrics.writes_off.get()), (1, 0));
    assert!(agent.runs());

    // Another Pod asks nobody for a minute, and says why.
    let another = Pod::bad("q");
    node.add(&another);
    agent.judges(&another).await;
    node.fail_once(&another);
    until("both are held", async || {
        agent.status().await.held.get("stopped") == Some(&2)
    })
    .await;
    assert_eq!(node.api.count(Kind::TryPatch), 2);
    assert!(node.api.writes().is_empty(), "{:?}", node.api.writes());

    // The policy is back.
    node.api.refuse_from(Kind::TryPatch, 3, 403, DENIED);
    fails_again(&node);
    node.asked(Kind::PostEvent, 1).await;
    node.turns(2).await;
    assert_eq!(node.api.count(Kind::TryPatch), 3);
    assert_eq!(agent.status().await.writes_stopped, None);
    assert_eq!(agent.metrics.agent.unguarded.get(), 0);
}

#[tokio::test]
async fn an_old_proof_is_made_again_before_a_late_write() {
    let node = node().await;
    node.api.refuse_from(Kind::TryPatch, 1, 403, DENIED);
    let late = node.advancing(Duration::from_secs(11 * 60));
    node.api.before(Kind::PatchFleet, 1, late);
    let agent = node.agent();
    fails_one(&node, &agent).await;
    node.asked(Kind::PostEvent, 1).await;
    let expected = [
        Kind::Get,
        Kind::GetFleet,
        Kind::PatchFleet,
        Kind::TryPatch,
        Kind::Get,
        Kind::PatchStatus,
        Kind::PatchPod,
    ];
    assert_eq!(last::<7>(&node), expected);
    assert_eq!(node.api.store().fleet.entries().len(), 1);
}

#[tokio::test]
async fn the_kill_switch_costs_no_token() {
    let node = node().await;
    node.api.at(Kind::TryPatch, 1, Act::Refuse(403, DENIED));
    node.api.at(Kind::PatchFleet, 1, Act::Refuse(403, OFF));
    node.api.at(Kind::TryPatch, 2, Act::Refuse(403, OFF));
    let agent = node.agent();
    node.asked(Kind::TryPatch, 1).await;
    fails_one(&node, &agent).await;
    until_denied(&node, 1, "writes are switched off").await;
    node.turns(2).await;
    let expected = [Kind::Get, Kind::GetFleet, Kind::PatchFleet];
    assert_eq!(last::<3>(&node), expected);
    let status = agent.status().await;
    assert_eq!(status.pods[0].held_by, ["stopped"]);
    assert!(status.fleet_budget.unusable.is_none());
    let metrics = &agent.metrics.agent;
    assert_eq!((metrics.unguarded.get(), metrics.writes_off.get()), (0, 1));

    // From now on one dry run finds it out.
    fails_again(&node);
    until("it is denied again", async || {
        node.api.count(Kind::TryPatch) == 2
    })
    .await;
    node.turns(2).await;
    assert_eq!(last::<1>(&node), [Kind::TryPatch]);
    assert!(node.api.store().fleet.entries().is_empty());
    assert!(node.api.writes().is_empty(), "{:?}", node.api.writes());

    // Switched on again, it goes on by itself.
    node.api.refuse_from(Kind::TryPatch, 3, 403, DENIED);
    fails_again(&node);
    node.asked(Kind::PostEvent, 1).await;
    node.turns(2).await;
    assert_eq!(node.api.store().fleet.entries().len(), 1);
    assert_eq!(agent.metrics.agent.writes_off.get(), 0);
}

/// A kill switch of an earlier version denies no token.
#[tokio::test]
async fn a_switch_found_at_the_write_costs_one_token() {
    let node = node().await;
    node.api.at(Kind::TryPatch, 1, Act::Refuse(403, DENIED));
    node.api.at(Kind::PatchStatus, 1, Act::Refuse(403, OFF));
    for nth in [2, 3] {
        node.api.at(Kind::TryPatch, nth, Act::Refuse(403, OFF));
    }
    let agent = node.agent();
    node.asked(Kind::TryPatch, 1).await;
    fails_one(&node, &agent).await;
    until_denied(&node, 1, "writes are switched off").await;
    for tries in [2, 3] {
        node.advance(MINUTE);
        another_ends(&node, &agent, &format!("p{tries}"), "denied").await;
        assert_eq!(node.api.count(Kind::TryPatch), tries);
    }
    assert_eq!(node.api.store().fleet.entries().len(), 1);
    assert_eq!(agent.status().await.budget_spent, 0);
}
