use serde_json::{Value, json};
use testbed::Stopwatch;

use crate::agent::Agent;
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, name};
use crate::shapes::{REGISTRY, container, job, pod};

/// Waits until a Job is Failed, and returns that condition.
pub async fn until_job_failed(cluster: &Cluster, name: &str) -> Value {
    cluster
        .until(&format!("Job {name} to fail"), || async {
            let job = cluster.job(name).await?;
            let conditions = job["status"]["conditions"].as_array()?;
            conditions
                .iter()
                .find(|c| c["type"] == "Failed" && c["status"] == "True")
                .cloned()
        })
        .await
}

#[test]
fn job_with_a_pod_failure_policy_fails_after_one_pod() {
    Bed::of(Group::Main).run("policy", |cluster| async move {
        let image = format!("{REGISTRY}/policy/missing:1");
        let mut job = job("a", container("main", &image), 6);
        job["spec"]["podFailurePolicy"] = json!({"rules": [{
            "action": "FailJob",
            "onPodConditions": [{"type": pullwarden::pod_fields::CONDITION}],
        }]});
        cluster.create(job).await;
        let failed = until_job_failed(&cluster, "a").await;
        assert_eq!(failed["reason"], "PodFailurePolicy");
        let pods = cluster.pods_of("a").await;
        assert_eq!(pods.len(), 1);
        assert_failed_by_us(&pods[0], "ImageNotFound", &image);
    });
}

#[test]
fn job_without_a_policy_counts_its_backoff_limit() {
    Bed::of(Group::Main).run("limit", |cluster| async move {
        let image = format!("{REGISTRY}/limit/missing:1");
        cluster.create(job("a", container("main", &image), 1)).await;
        let failed = until_job_failed(&cluster, "a").await;
        assert_eq!(failed["reason"], "BackoffLimitExceeded");
        let pods = cluster.pods_of("a").await;
        assert_eq!(pods.len(), 2, "the first and the one that the limit allows");
        for pod in &pods {
            assert_failed_by_us(pod, "ImageNotFound", &image);
        }
    });
}

/// The Job's default limit takes some 400 s by its own back-off, so CI has a lower one.
const RETRIES: u32 = if cfg!(feature = "soak") { 6 } else { 3 };

#[test]
fn a_jobs_retries_need_one_failure_each() {
    let bed = Bed::of(Group::Main);
    let agent = Agent::enforcing(&bed.node, "own-retries").start();
    bed.run("own-retries", |cluster| async move {
        let begun = Stopwatch::start();
        let image = format!("{REGISTRY}/own-retries/missing:1");
        let job = job("a", container("main", &image), RETRIES);
        cluster.create(job).await;
        let failed = until_job_failed(&cluster, "a").await;
        assert_eq!(failed["reason"], "BackoffLimitExceeded");
        let seconds = begun.elapsed().as_secs();
        eprintln!("own-retries: backoffLimit {RETRIES} is reached after {seconds} s");
        let mut pods = cluster.pods_of("a").await;
        pods.sort_by_key(|pod| pod["metadata"]["creationTimestamp"].to_string());
        let decided = |pod: &Value| {
            assert_failed_by_us(pod, "ImageNotFound", &image);
            agent.failures_that_decided(name(pod), &image)
        };
        let decided: Vec<usize> = pods.iter().map(decided).collect();
        assert_eq!(decided[0], 3, "{decided:?}");
        assert_eq!(decided[1..], vec![1; RETRIES as usize], "{decided:?}");
    });
}

#[test]
fn bare_pod_is_failed_and_told_why() {
    Bed::of(Group::Main).run("bare", |cluster| async move {
        let image = format!("{REGISTRY}/bare/missing:1");
        cluster
            .create(pod("a", vec![container("main", &image)]))
            .await;
        assert_failed_by_us(&cluster.until_failed("a").await, "ImageNotFound", &image);
        let events = cluster.until("the Event", || async {
            let events = cluster.events("a").await;
            (!events.is_empty()).then_some(events)
        });
        let events = events.await;
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["reason"], "ImagePullFailed");
        assert!(events[0]["message"].as_str().unwrap().contains(&image));
    });
}

#[test]
fn standing_reasons_are_failed_by_the_clock() {
    Bed::of(Group::Main).run("standing", |cluster| async move {
        let invalid = "NOT/A::reference".to_owned();
        cluster
            .create(pod("invalid", vec![container("main", &invalid)]))
            .await;
        let absent = format!("{REGISTRY}/standing/absent:1");
        let mut never = container("main", &absent);
        never["imagePullPolicy"] = json!("Never");
        cluster.create(pod("never", vec![never])).await;
        let failed = cluster.until_failed("invalid").await;
        assert_failed_by_us(&failed, "InvalidImageName", &invalid);
        assert_failed_by_us(&cluster.until_failed("never").await, "NeverPull", &absent);
    });
}
