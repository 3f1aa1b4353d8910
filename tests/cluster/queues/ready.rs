//! Kueue that waits for Pods to be ready, with `waitForPodsReady`.

use testbed::Stopwatch;

use super::kueue::Queue;
use super::{ending, failed_at, good, is_true, missing, pods_of, requesting, took};
use crate::audit::{assert_only_failed, writes};
use crate::bed::{Bed, Group};
use crate::cluster::{assert_failed_by_us, name};
use crate::shapes::job;

/// With `blockAdmission` a stuck image holds up every queue of the cluster.
#[test]
fn a_blocked_queue_is_freed_with_the_queue_that_blocks_it() {
    let bed = Bed::of(Group::KueueBlocks);
    bed.run("kueue-block", |cluster| {
        let bed = &bed;
        async move {
            let (good, bad) = (good(bed), missing(&cluster));
            let queue = Queue::make(&cluster, "blocking", "100m").await;
            let other = Queue::make(&cluster, "blocked", "100m").await;
            let begun = Stopwatch::start();
            queue.create(job("a", requesting(&bad, "100m"), 0)).await;
            queue.until("a", "Admitted").await;
            other.create(job("b", ending(&good, "100m", 1), 0)).await;
            let pod = || async { pods_of(&cluster, "a-").await.pop() };
            let pod = cluster.until("a Pod of a", pod).await;
            cluster.until_waiting(name(&pod), "ImagePullBackOff").await;
            other.assert_b_waits().await;
            let failed = cluster.until_failed(name(&pod)).await;
            assert_failed_by_us(&failed, "ImageNotFound", &bad);
            other
                .until_b_has_run(failed_at(&failed), "Kueue, blockAdmission", begun)
                .await;
            queue.until("a", "Finished").await;
            assert_only_failed(&bed.node, &cluster.namespace, &[name(&pod)]);
        }
    });
}

/// Each eviction makes a new Pod, whose failures are counted from zero.
#[test]
fn a_readiness_timeout_shorter_than_the_agent_writes_nothing() {
    let bed = Bed::of(Group::KueueHasty);
    bed.run("kueue-hasty", |cluster| {
        let bed = &bed;
        async move {
            let (good, bad) = (good(bed), missing(&cluster));
            let queue = Queue::make(&cluster, "hasty", "100m").await;
            let begun = Stopwatch::start();
            queue.create(job("a", requesting(&bad, "100m"), 0)).await;
            queue.until("a", "Admitted").await;
            queue.queue_b(&good, "100m").await;
            let evicted = queue.until("a", "Evicted").await;
            assert_eq!(evicted["reason"], "PodsReadyTimeout", "{evicted}");
            took("Kueue, a timeout of 15 s: a is evicted", begun);
            queue.until("b", "Admitted").await;
            took("Kueue, a timeout of 15 s: b is admitted", begun);
            let again = || async {
                let workload = queue.workload("a").await?;
                let count = workload["status"]["requeueState"]["count"].as_u64()?;
                (count >= 2).then_some(())
            };
            cluster.until("a to be evicted again", again).await;
            took("Kueue, a timeout of 15 s: a is evicted again", begun);
            let a = cluster.job("a").await.unwrap();
            assert!(is_true(&a, "Failed").is_none(), "{a}");
            // A slow kubelet may not have pulled at all before the first evictions.
            let counted = || async {
                let verdicts = bed.agent().lines_of("verdict");
                let counted = verdicts.iter().filter(|line| {
                    let failed = line["failed"].as_array();
                    failed.is_some_and(|failed| !failed.is_empty())
                });
                (counted.count() >= 2).then_some(())
            };
            cluster.until("two failures of a", counted).await;
            assert_eq!(
                bed.agent().lines_of("report"),
                Vec::<serde_json::Value>::new()
            );
            let written = writes(&bed.node, &cluster.namespace);
            assert!(written.is_empty(), "{written:?}");
        }
    });
}
