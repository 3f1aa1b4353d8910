//! An agent and the object of the fleet budget: what it asks for, what it writes, and when it holds.

use std::time::Duration;

use pullwarden::fleet::{About, Token};
use serde_json::Value;

use crate::support::apiserver::Kind::{
    Get, GetFleet, PatchFleet, PatchPod, PatchStatus, PostEvent, TryPatch,
};
use crate::support::apiserver::{Act, Kind};
use crate::support::fleet_object::FleetObject;
use crate::support::node::{Agent, Node};
use crate::support::pod::Pod;
use crate::support::race::{Race, pod};
use crate::support::store::Store;
use crate::support::until;

const WINDOW: Duration = Duration::from_secs(600);
const MINUTE: Duration = Duration::from_secs(61);

/// So many tokens of other nodes, of this registry, entered now.
fn tokens(node: &Node, number: usize, registry: &str) -> Vec<(String, String)> {
    let now = u64::try_from(node.clock().wall().as_second()).unwrap();
    let token = |nth| {
        let (namespace, owner) = (format!("team-{nth}"), format!("job-{nth}"));
        let about = About::of(&namespace, ("Job", &owner), registry, &owner);
        Token::new(now, "node2", &format!("{nth:08}"), about)
    };
    let tokens = (0..number).map(token);
    tokens.map(|token| (token.key(), token.value())).collect()
}

/// The image fails once more.
async fn fails_again(node: &Node, agent: &Agent, pod: &Pod) {
    node.report(&pod.clone().not_found_pausing());
    node.turns(2).await;
    let next = agent.failures(pod).await + 1;
    node.fail_once(pod);
    until("the failure is counted", async || {
        agent.failures(pod).await >= next || node.api.count(PatchPod) > 0
    })
    .await;
    node.turns(2).await;
}

fn asked(race: &Race) -> Vec<Kind> {
    let kinds = race.node.api.kinds();
    kinds[2..].to_vec()
}

async fn metric(race: &Race, of: &str) -> i64 {
    race.node.turns(2).await;
    let agent = &race.agent.metrics.agent;
    match of {
        "spent" => agent.fleet_spent.get(),
        _ => agent.fleet_unusable.get(),
    }
}

#[tokio::test]
async fn a_token_says_who_was_failed_and_where() {
    let race = Race::start().await;
    race.ends("written").await;
    let entries = race.node.api.store().fleet.entries();
    let (key, value) = entries.first_key_value().unwrap();
    assert_eq!(entries.len(), 1);
    assert!(key.ends_with(".node1.uidp"), "{key}");
    let begins = "namespace=default owner=Pod/p registry=r.test image=";
    assert!(value.starts_with(begins), "{value}");
    assert_eq!(metric(&race, "spent").await, 0);
}

#[tokio::test]
async fn a_spent_limit_holds_the_pod_and_is_remembered_until_it_can_be_free() {
    let race = Race::start().await;
    let (node, agent) = (&race.node, &race.agent);
    let others = tokens(node, 20, "r.test");
    node.api.store().fleet.fill(others.clone());
    race.ends("held").await;
    assert_eq!(asked(&race), [Get, GetFleet]);
    let status = agent.status().await;
    assert_eq!(status.pods[0].held_by, ["fleet"]);
    assert_eq!(status.held["fleet"], 1);
    assert_eq!(status.budget_spent, 0, "it cost the node's budget nothing");
    let why = "the fleet budget of the registry r.test is spent: 20 Pods in 10m";
    assert_eq!(status.fleet_budget.spent[0].text, why);
    assert_eq!(metric(&race, "spent").await, 1);
    // Further failures ask nobody, and say why.
    for _ in 0..3 {
        fails_again(node, agent, &pod()).await;
        node.advance(MINUTE);
    }
    assert_eq!(asked(&race), [Get, GetFleet]);
    let mut verdicts = node
        .lines()
        .into_iter()
        .filter(|line| line["kind"] == "verdict");
    let last = verdicts.next_back().unwrap();
    assert!(last["reasons"].to_string().contains(why), "{last}");
    // The Pod is not failed by the clock, but by its next failure.
    node.advance(WINDOW);
    node.turns(3).await;
    assert_eq!(asked(&race), [Get, GetFleet]);
    assert_eq!(metric(&race, "spent").await, 0);
    fails_again(node, agent, &pod()).await;
    node.asked(PostEvent, 1).await;
    let all = [
        Get,
        GetFleet,
        Get,
        GetFleet,
        PatchFleet,
        PatchStatus,
        PatchPod,
        PostEvent,
    ];
    assert_eq!(asked(&race), all);
    assert_eq!(node.api.store().fleet.entries().len(), others.len() + 1);
}

#[tokio::test]
async fn a_spent_limit_of_a_registry_holds_no_pod_of_another() {
    let race = Race::start().await;
    race.node
        .api
        .store()
        .fleet
        .fill(tokens(&race.node, 20, "other.test"));
    race.ends("written").await;
    assert_eq!(race.node.api.store().fleet.entries().len(), 21);
}

#[tokio::test]
async fn what_is_remembered_survives_a_restart() {
    let race = Race::start().await;
    let others = tokens(&race.node, 30, "other.test");
    race.node.api.store().fleet.fill(others);
    race.ends("held").await;
    let Race { node, agent } = race;
    agent.stop().await;
    let agent = node.agent();
    agent.judges(&pod()).await;
    let before = node.api.count(GetFleet);
    fails_again(&node, &agent, &pod()).await;
    assert_eq!(node.api.count(GetFleet), before);
    assert_eq!(agent.status().await.pods[0].held_by, ["fleet"]);
}

#[tokio::test]
async fn an_agent_that_others_outrun_reads_again_and_holds() {
    let race = Race::start().await;
    let others = tokens(&race.node, 20, "r.test");
    let come = move |store: &mut Store| store.fleet.fill(others);
    race.node.api.before(PatchFleet, 1, come);
    race.ends("held").await;
    assert_eq!(asked(&race), [Get, GetFleet, PatchFleet, GetFleet]);
    assert_eq!(race.node.api.store().fleet.entries().len(), 20);
    assert_eq!(race.agent.status().await.pods[0].held_by, ["fleet"]);
}

#[tokio::test]
async fn an_agent_that_others_outrun_tries_again_at_the_next_failure() {
    let race = Race::start().await;
    let others = tokens(&race.node, 2, "r.test");
    let come = move |store: &mut Store| store.fleet.fill(others);
    race.node.api.before(PatchFleet, 1, come);
    race.ends("held").await;
    assert_eq!(asked(&race), [Get, GetFleet, PatchFleet, GetFleet]);
    let fleet = race.agent.status().await.fleet_budget;
    assert!(fleet.spent.is_empty() && fleet.unusable.is_none());
    fails_again(&race.node, &race.agent, &pod()).await;
    race.node.asked(PostEvent, 1).await;
    assert_eq!(race.node.api.store().fleet.entries().len(), 3);
}

#[tokio::test]
async fn a_pod_that_changes_before_the_write_takes_one_token() {
    let race = Race::start().await;
    race.node.api.before(PatchStatus, 1, |store| {
        store.edit("p", |pod| {
            pod["metadata"]["labels"] = serde_json::json!({"a": "b"})
        });
    });
    race.ends("written").await;
    race.asked(&[Get, PatchStatus, Get, PatchStatus, PatchPod, PostEvent]);
    assert_eq!(race.node.api.store().fleet.entries().len(), 1);
}

#[tokio::test]
async fn a_token_whose_answer_was_lost_is_moved_and_not_taken_twice() {
    let race = Race::start().await;
    race.node.api.at(PatchFleet, 1, Act::DropAnswer);
    race.ends("held").await;
    race.wrote(&[]);
    assert_eq!(race.node.api.store().fleet.entries().len(), 1);
    race.node.advance(MINUTE);
    fails_again(&race.node, &race.agent, &pod()).await;
    race.node.asked(PostEvent, 1).await;
    assert_eq!(race.node.api.store().fleet.entries().len(), 1);
}

#[tokio::test]
async fn old_tokens_are_removed_by_whoever_writes() {
    let race = Race::start().await;
    let others = tokens(&race.node, 5, "r.test");
    race.node.api.store().fleet.fill(others);
    race.node.advance(Duration::from_secs(3700));
    race.ends("written").await;
    let entries = race.node.api.store().fleet.entries();
    assert_eq!(entries.len(), 1);
    assert!(entries.first_key_value().unwrap().0.contains(".node1."));
}

/// Event that makes the object unusable, and the reason that the agent gives.
type Trouble = (&'static str, fn(&Node), &'static str);

const TROUBLES: [Trouble; 5] = [
    (
        "deleted",
        |node| node.api.store().fleet.delete(),
        "does not exist",
    ),
    (
        "garbage",
        |node| {
            node.api
                .store()
                .fleet
                .fill([("note".to_owned(), "hello".to_owned())])
        },
        r#"cannot be read: the entry "note" is no token"#,
    ),
    (
        "forbidden",
        |node| {
            node.api
                .refuse_from(GetFleet, 1, 403, "configmaps is forbidden")
        },
        "is refused: 403 configmaps is forbidden",
    ),
    (
        "1 MiB",
        |node| {
            let old = tokens(node, 1000, "r.test").into_iter();
            let full = old.map(|(key, value)| {
                (
                    key.replacen('1', "0", 1),
                    format!("{value} x={}", "x".repeat(900)),
                )
            });
            node.api.store().fleet.fill(full);
            node.api.refuse_from(
                PatchFleet,
                1,
                422,
                "Too long: may not be more than 1048576 bytes",
            );
        },
        "is refused: 422 Too long: may not be more than 1048576 bytes",
    ),
    (
        "away",
        |node| node.api.at(GetFleet, 1, Act::Drop),
        "is not answered: ",
    ),
];

#[tokio::test]
async fn with_an_object_that_cannot_be_used_nothing_is_written() {
    for (name, happens, why) in TROUBLES {
        let race = Race::start().await;
        happens(&race.node);
        race.ends("held").await;
        race.wrote(&[]);
        let status = race.agent.status().await;
        let unusable = status.fleet_budget.unusable.unwrap();
        assert!(unusable.contains(why), "{name}: {unusable}");
        assert_eq!(status.pods[0].held_by, ["fleet"], "{name}");
        assert_eq!(metric(&race, "unusable").await, 1, "{name}");
        // For a minute nobody is asked.
        let before = race.node.api.kinds();
        fails_again(&race.node, &race.agent, &pod()).await;
        assert_eq!(race.node.api.kinds(), before, "{name}");
    }
}

#[tokio::test]
async fn an_object_that_is_mended_is_used_from_the_next_failure_on() {
    let race = Race::start().await;
    race.node.api.store().fleet.delete();
    race.ends("held").await;
    race.node.api.store().fleet = FleetObject::default();
    race.node.advance(MINUTE);
    assert_eq!(metric(&race, "unusable").await, 1, "nobody has tried it");
    fails_again(&race.node, &race.agent, &pod()).await;
    race.node.asked(PostEvent, 1).await;
    assert_eq!(metric(&race, "unusable").await, 0);
    assert_eq!(race.agent.status().await.fleet_budget.unusable, None);
}

#[tokio::test]
async fn retry_after_is_kept_before_the_object_is_asked_for_again() {
    let race = Race::start().await;
    race.node.api.at(GetFleet, 1, Act::RefuseFor(429, 300));
    race.ends("held").await;
    race.node.advance(MINUTE);
    fails_again(&race.node, &race.agent, &pod()).await;
    assert_eq!(race.node.api.count(GetFleet), 1);
    race.node.advance(Duration::from_secs(240));
    fails_again(&race.node, &race.agent, &pod()).await;
    race.node.asked(PostEvent, 1).await;
}

#[tokio::test]
async fn switched_off_the_object_is_never_touched() {
    let mut node = Node::counting_to(1).await;
    node.config.policy.fleet = None;
    node.api.store().fleet.delete();
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    node.asked(PostEvent, 1).await;
    assert_eq!(node.api.count(GetFleet) + node.api.count(PatchFleet), 0);
    assert!(!agent.status().await.fleet_budget.enabled);
}

#[tokio::test]
async fn an_observing_agent_never_touches_the_object() {
    let mut node = Node::counting_to(1).await;
    node.config.policy.mode = pullwarden::judge::NodeMode::Observe;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    node.asked(PostEvent, 1).await;
    node.turns(2).await;
    assert_eq!(node.api.count(GetFleet) + node.api.count(PatchFleet), 0);
}

#[tokio::test]
async fn in_a_namespace_with_a_limit_of_0_nobody_is_asked() {
    let mut node = Node::counting_to(1).await;
    let limits = node.config.policy.fleet.as_mut().unwrap();
    limits.namespaces.insert("default".to_owned(), 0);
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    let race = Race { node, agent };
    race.ends_again(1, "held").await;
    assert_eq!(asked(&race), [Get]);
    assert_eq!(race.condition(), Value::Null);
}

/// A dry run writes nothing, so it needs no token, and a denied write costs none.
#[tokio::test]
async fn a_write_that_a_dry_run_shows_to_be_denied_costs_no_token() {
    let race = Race::start().await;
    race.node.api.refuse_from(PatchPod, 1, 403, "no");
    race.ends("denied").await;
    race.node.api.refuse_from(TryPatch, 1, 403, "no");
    let before = race.node.api.store().fleet.entries();
    race.node.advance(Duration::from_secs(301));
    fails_again(&race.node, &race.agent, &pod()).await;
    race.node.asked(TryPatch, 1).await;
    race.node.turns(2).await;
    assert_eq!(race.node.api.store().fleet.entries(), before);
}

#[tokio::test]
async fn pods_of_one_node_that_fail_together_take_their_tokens_by_turns() {
    let mut node = Node::counting_to(1).await;
    node.config.policy.fleet.as_mut().unwrap().pods = 6;
    let pods: Vec<Pod> = (0..8).map(|nth| Pod::bad(&format!("{nth}p"))).collect();
    pods.iter().for_each(|pod| node.add(pod));
    let agent = node.agent();
    for pod in &pods {
        agent.judges(pod).await;
    }
    pods.iter().for_each(|pod| node.fail_once(pod));
    let ended = |node: &Node| {
        node.lines()
            .iter()
            .filter(|l| l["kind"] == "report")
            .count()
    };
    until("all reports have ended", async || ended(&node) == 8).await;
    assert_eq!(node.api.store().fleet.entries().len(), 6);
    assert_eq!(
        (node.api.count(PatchFleet), node.api.count(PatchPod)),
        (6, 6)
    );
    assert_eq!(agent.status().await.held["fleet"], 2);
}
