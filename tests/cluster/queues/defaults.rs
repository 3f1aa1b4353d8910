//! Kueue and a Job as most are written: with the default `backoffLimit` and no policy.

use testbed::Stopwatch;

use super::kueue::Queue;
use super::{good, is_true, missing, pods_of, requesting, took};
use crate::bed::{Bed, Group};
use crate::cluster::assert_failed_by_us;
use crate::shapes::job;

/// Each of the Job's Pods holds the quota until it is failed, and so do the pauses between them.
#[test]
fn a_job_with_the_default_backoff_limit_frees_its_queue() {
    let bed = Bed::of(Group::Kueue);
    bed.run("kueue-default", |cluster| {
        let bed = &bed;
        async move {
            let (good, bad) = (good(bed), missing(&cluster));
            let queue = Queue::make(&cluster, &cluster.namespace, "100m").await;
            let begun = Stopwatch::start();
            queue.create(job("a", requesting(&bad, "100m"), 6)).await;
            queue.until("a", "Admitted").await;
            queue.queue_b(&good, "100m").await;
            // Pauses of the Job's own come between seven Pods: no single wait is as long.
            for count in 1..=7 {
                let failed = || async {
                    let job = cluster.job("a").await?;
                    (job["status"]["failed"].as_u64() >= Some(count)).then_some(())
                };
                let what = format!("Pod {count} of a to be failed");
                cluster.until(&what, failed).await;
                took(
                    &format!("Kueue, backoffLimit 6: {count} of 7 Pods failed"),
                    begun,
                );
            }
            queue
                .until_b_has_run(0, "Kueue, backoffLimit 6", begun)
                .await;
            let a = cluster.job("a").await.unwrap();
            let failed = is_true(&a, "Failed").unwrap();
            assert_eq!(failed["reason"], "BackoffLimitExceeded", "{failed}");
            let pods = pods_of(&cluster, "a-").await;
            assert_eq!(pods.len(), 7);
            for pod in &pods {
                assert_failed_by_us(pod, "ImageNotFound", &bad);
            }
        }
    });
}
