//! The next Job is not harmed: a full node, stuck Pods, and Jobs queued behind them that forgive no failure.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use pullwarden::clock::Clock;
use pullwarden::judge::Outcome;
use pullwarden::report::{Guard, Permits, fail};
use serde_json::{Value, json};
use testbed::Fault;

use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, Follow, name, phase};
use crate::door::{policy, request};
use crate::shapes::{FAULTY, REGISTRY, asking, container, job, short_container};

/// How many Jobs are queued: 20 in CI, more where a soak asks for it.
fn pairs() -> usize {
    let asked = testbed::variable("PULLWARDEN_SOAK_PAIRS");
    asked.map_or(20, |text| text.to_str().unwrap().parse().unwrap())
}

/// A resource that a node has so much of.
struct Room<'a> {
    resource: &'a str,
    each: &'a str,
    pairs: usize,
}

/// What became of the Jobs that were queued.
#[derive(Debug, Default)]
struct Harm {
    /// Pods of queued Jobs that a node refused.
    refused: usize,
    /// Queued Jobs that failed.
    failed: usize,
    /// Stuck Pods that were Failed and Pending again.
    undone: usize,
}

impl Room<'_> {
    /// Fills the node with stuck Jobs a-0, a-1, … and queues Jobs b-0, b-1, … behind them.
    async fn fill(&self, cluster: &Cluster, prefix: &str, bad: &str, good: &str) {
        for index in 0..self.pairs {
            let stuck = asking(container("main", bad), self.resource, self.each);
            cluster
                .create(job(&format!("{prefix}a-{index}"), stuck, 0))
                .await;
            // Spread over the back-off.
            tokio::time::sleep(Duration::from_secs(40) / u32::try_from(self.pairs).unwrap()).await;
        }
        for index in 0..self.pairs {
            let next = asking(short_container(good), self.resource, self.each);
            cluster
                .create(job(&format!("{prefix}b-{index}"), next, 0))
                .await;
        }
        let bound = cluster.pods().await.into_iter().filter(|pod| {
            name(pod).starts_with(&format!("{prefix}b-")) && pod["spec"]["nodeName"].is_string()
        });
        // Those that are bound by now are behind a stuck one that was failed already.
        assert!(bound.count() < self.pairs, "the node is full");
    }

    /// Waits until every queued Job has ended, and tells what happened on the way.
    async fn harm(&self, cluster: &Cluster, prefix: &str, follow: &mut Follow) -> Harm {
        let ended = || async {
            let jobs = cluster.jobs().await;
            let queued = jobs
                .iter()
                .filter(|job| name(job).starts_with(&format!("{prefix}b-")));
            let ended = queued.filter(|job| is(job, "Complete") || is(job, "Failed"));
            (ended.count() == self.pairs).then_some(jobs.clone())
        };
        let jobs = cluster.until("the queued Jobs to end", ended).await;
        let queued = jobs
            .iter()
            .filter(|job| name(job).starts_with(&format!("{prefix}b-")));
        let mut harm = Harm {
            failed: queued.filter(|job| is(job, "Failed")).count(),
            ..Harm::default()
        };
        let mut refused = std::collections::BTreeSet::new();
        let mut failed = std::collections::BTreeSet::new();
        let mut undone = std::collections::BTreeSet::new();
        for pod in follow.take() {
            let pod_name = name(&pod).to_owned();
            if pod_name.starts_with(&format!("{prefix}b-")) && phase(&pod) == "Failed" {
                refused.insert(pod_name);
            } else if phase(&pod) == "Failed" {
                failed.insert(pod_name);
            } else if failed.contains(&pod_name) && phase(&pod) == "Pending" {
                undone.insert(pod_name);
            }
        }
        harm.refused = refused.len();
        harm.undone = undone.len();
        harm
    }
}

fn is(job: &Value, condition: &str) -> bool {
    let conditions = job["status"]["conditions"].as_array();
    let found = |c: &Value| c["type"] == condition && c["status"] == "True";
    conditions.is_some_and(|all| all.iter().any(found))
}

fn assert_no_harm(harm: &Harm, pairs: usize) {
    eprintln!("next Jobs: {pairs} queued, {harm:?}");
    assert_eq!(
        (harm.refused, harm.failed, harm.undone),
        (0, 0, 0),
        "{harm:?}"
    );
}

#[test]
pub fn none_of_the_next_jobs_is_refused_on_a_node_full_by_cpu() {
    next_by_cpu(pairs(), "100m");
}

/// The same with half as many, each twice as large.
pub fn ten_more_on_a_node_full_by_cpu() {
    next_by_cpu(10, "200m");
}

fn next_by_cpu(pairs: usize, each: &'static str) {
    let bed = Bed::of(Group::NextJob);
    bed.node.push_image("next/good", "1").unwrap();
    let (bad, good) = (
        &format!("{REGISTRY}/next/missing:1"),
        &format!("{REGISTRY}/next/good:1"),
    );
    bed.run("next-cpu", |cluster| async move {
        let mut left = pairs;
        let mut round = 0;
        while left > 0 {
            let room = Room {
                resource: "cpu",
                each,
                pairs: left.min(20),
            };
            let mut follow = cluster.follow().await;
            let prefix = format!("r{round}");
            room.fill(&cluster, &prefix, bad, good).await;
            assert_no_harm(&room.harm(&cluster, &prefix, &mut follow).await, room.pairs);
            left -= room.pairs;
            round += 1;
        }
    });
}

#[test]
pub fn none_of_the_next_jobs_is_refused_on_a_node_full_by_a_device() {
    let bed = Bed::of(Group::Main);
    bed.node.push_image("next/good", "1").unwrap();
    let _devices = bed.node.add_devices("pullwarden.test/device", 2).unwrap();
    bed.run("next-device", |cluster| async move {
        let room = Room {
            resource: "pullwarden.test/device",
            each: "1",
            pairs: 2,
        };
        let mut follow = cluster.follow().await;
        let bad = format!("{REGISTRY}/next/missing:1");
        room.fill(&cluster, "", &bad, &format!("{REGISTRY}/next/good:1"))
            .await;
        assert_no_harm(&room.harm(&cluster, "", &mut follow).await, room.pairs);
    });
}

/// A node that is full of Pods with a pull in flight, and four Jobs queued behind them.
const HANGING: Room<'static> = Room {
    resource: "cpu",
    each: "500m",
    pairs: 4,
};

impl Room<'_> {
    /// Fills the node with Jobs whose pulls hang from the second attempt on, and gives the Pods, each after its first failure.
    async fn fill_hanging(&self, bed: &Bed, cluster: &Cluster, repository: &str) -> Vec<Value> {
        bed.node
            .set_fault_after(repository, Fault::Hang, 1)
            .unwrap();
        let bad = format!("{FAULTY}/{repository}:1");
        self.fill(cluster, "", &bad, &format!("{REGISTRY}/next/good:1"))
            .await;
        let stuck = (0..self.pairs).map(async |index| {
            let pod = cluster.pods_of(&format!("a-{index}")).await.remove(0);
            cluster.until_waiting(name(&pod), "ImagePullBackOff").await;
            pod
        });
        let stuck = join_all(stuck).await;
        let hanging = || async {
            let log = bed.node.registry_log().unwrap();
            let mut unanswered = log.iter().filter(|seen| seen.status.is_none());
            unanswered
                .any(|seen| seen.path.contains(repository))
                .then_some(())
        };
        cluster.until("a pull in flight", hanging).await;
        stuck
    }
}

#[test]
pub fn none_of_the_next_jobs_is_refused_with_a_pull_in_flight() {
    let bed = Bed::of(Group::InFlight);
    bed.node.push_image("next/good", "1").unwrap();
    bed.run("own-in-flight", |cluster| {
        let bed = &bed;
        async move {
            let mut follow = cluster.follow().await;
            let stuck = HANGING.fill_hanging(bed, &cluster, "next/hangs").await;
            let permits = Permits::of(Guard::new(None, Clock::default()));
            let writes = stuck.iter().map(async |pod| {
                let at = Timestamp::from_second(1_800_000_000).unwrap();
                let account = fail(
                    &cluster.client,
                    &request(pod),
                    &policy().into(),
                    &permits,
                    at,
                )
                .await;
                assert!(account.ending.outcome == Outcome::Written, "{account:?}");
            });
            join_all(writes).await;
            let pods = cluster.pods().await;
            let pending = pods
                .iter()
                .filter(|pod| name(pod).starts_with("a-") && phase(pod) == "Pending");
            eprintln!(
                "right after the writes, {} stuck Pods are still Pending",
                pending.count()
            );
            assert_no_harm(
                &HANGING.harm(&cluster, "", &mut follow).await,
                HANGING.pairs,
            );
        }
    });
    // The same, with the write that everyone makes first, must be seen to do harm: the kubelet counts a Pod for as long as it pulls for it.
    bed.run("own-direct", |cluster| {
        let bed = &bed;
        async move {
            for pod in HANGING.fill_hanging(bed, &cluster, "next/direct").await {
                let patch = json!({"status": {"phase": "Failed", "reason": "ImagePullFailed"}});
                cluster.patch_status(name(&pod), patch).await.unwrap();
            }
            let harmed = || async {
                let pods = cluster.pods().await;
                let is = |pod: &Value, whose: &str, what: &str| {
                    name(pod).starts_with(whose) && phase(pod) == what
                };
                let refused = pods.iter().any(|pod| is(pod, "b-", "Failed"));
                let undone = pods.iter().any(|pod| is(pod, "a-", "Pending"));
                (refused || undone).then_some((refused, undone))
            };
            let (refused, undone) = cluster.until("the direct write to do harm", harmed).await;
            eprintln!(
                "phase: Failed written directly: a next Pod refused: {refused}, undone: {undone}"
            );
        }
    });
}
