//! Many agents that want a token at once.

use std::ops::Range;

use jiff::Timestamp;
use kube::{Client, Config};
use pullwarden::clock::Clock;
use pullwarden::fleet::Limits;
use pullwarden::judge::{NodeMode, Outcome, Policy};
use pullwarden::report::{Account, Guard, InForce, Permits, fail};
use tokio::task::JoinSet;

use crate::support::apiserver::{ApiServer, Kind};
use crate::support::judge;
use crate::support::pod::{NOT_FOUND, Pod};

fn limits(pods: u32) -> Limits {
    Limits {
        pods,
        per_registry: 1000,
        per_namespace: 1000,
        per_owner: 1000,
        ..judge::FLEET
    }
}

/// Agents on a node each, which all want to fail a Pod.
async fn all_at_once(api: &ApiServer, agents: Range<usize>, limits: &Limits) -> Vec<Account> {
    let client = Client::try_from(Config::new(api.url().parse().unwrap())).unwrap();
    let mut tasks = JoinSet::new();
    for nth in agents {
        let node = format!("node-{nth}");
        let pod = Pod::bad(&format!("p{nth}")).uid(&format!("{nth:08}"));
        let pod = pod
            .owner("job")
            .node(&node)
            .waiting("c", "ErrImagePull", NOT_FOUND);
        api.store().put(&pod);
        let policy = Policy {
            node,
            fleet: Some(limits.clone()),
            ..judge::policy(NodeMode::Enforce)
        };
        let request = judge::to_fail(&pod);
        let client = client.clone();
        tasks.spawn(async move {
            let policy = InForce::from(policy);
            let permits = Permits::of(Guard::new(None, Clock::default()));
            fail(&client, &request, &policy, &permits, Timestamp::UNIX_EPOCH).await
        });
    }
    tasks.join_all().await
}

fn requests(account: &Account) -> usize {
    let steps = account.trace.iter().map(|trace| trace.step.as_str());
    steps.filter(|step| step.starts_with("fleet-")).count()
}

/// Number of the accounts that ended so.
fn ended(accounts: &[Account], outcome: Outcome) -> usize {
    let of = accounts.iter().filter(|a| a.ending.outcome == outcome);
    of.count()
}

#[tokio::test]
async fn of_many_agents_exactly_as_many_fail_a_pod_as_the_limit_allows() {
    let api = ApiServer::start().await;
    let mut accounts = Vec::new();
    for wave in 0..40 {
        let agents = 8 * wave..8 * (wave + 1);
        accounts.extend(all_at_once(&api, agents, &limits(30)).await);
    }
    assert_eq!(ended(&accounts, Outcome::Written), 30);
    assert_eq!(ended(&accounts, Outcome::Fleet), 290);
    assert_eq!(api.count(Kind::PatchStatus), 30);
    assert_eq!(api.store().fleet.entries().len(), 30);
    assert_eq!(
        accounts.iter().map(requests).max(),
        Some(3),
        "they did not meet"
    );
    // Whoever comes last is told which limit is reached, by one request.
    let last = accounts.last().unwrap();
    assert_eq!(requests(last), 1);
    assert_eq!(last.ending.closed[0].limit, Some(30));
    assert_eq!(last.marked, Some(false));
}

/// They disturb each other, so that fewer may go on than the limit allows, but never one more.
#[tokio::test]
async fn of_agents_that_come_at_the_same_moment_none_exceeds_the_limit() {
    let api = ApiServer::start().await;
    let accounts = all_at_once(&api, 0..300, &limits(30)).await;
    let written = ended(&accounts, Outcome::Written);
    assert!((1..=30).contains(&written), "{written}");
    assert_eq!(written + ended(&accounts, Outcome::Fleet), 300);
    assert_eq!(api.count(Kind::PatchStatus), written);
    assert_eq!(api.store().fleet.entries().len(), written);
    assert!(accounts.iter().all(|account| requests(account) <= 3));
}
