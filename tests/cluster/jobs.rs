use pullwarden::pod_fields::{CONDITION, CONDITION_UNAVAILABLE};
use serde_json::{Value, json};
use testbed::Stopwatch;

use crate::agent::Agent;
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, name, phase};
use crate::holder::{Ask, Holder};
use crate::shapes::{REGISTRY, container, job, pod};

/// Waits until a Job is Failed, and returns that condition.
pub async fn until_job_failed(cluster: &Cluster, name: &str) -> Value {
    cluster
        .until(&format!("Job {name} to fail"), || async {
            failed_condition(&cluster.job(name).await?)
        })
        .await
}

fn failed_condition(job: &Value) -> Option<Value> {
    let conditions = job["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|c| c["type"] == "Failed" && c["status"] == "True")
        .cloned()
}

#[test]
pub fn job_with_a_pod_failure_policy_fails_after_one_pod() {
    Bed::of(Group::Main).run("policy", |cluster| async move {
        let image = format!("{REGISTRY}/policy/missing:1");
        let mut job = job("a", container("main", &image), 6);
        job["spec"]["podFailurePolicy"] = json!({"rules": [{
            "action": "FailJob",
            "onPodConditions": [{"type": CONDITION, "status": "True"}],
        }]});
        cluster.create(job).await;
        let failed = until_job_failed(&cluster, "a").await;
        assert_eq!(failed["reason"], "PodFailurePolicy");
        let pods = cluster.pods_of("a").await;
        assert_eq!(pods.len(), 1);
        assert_failed_by_us(&pods[0], "ImageNotFound", &image);
    });
}

/// The policy that docs/jobs.md has for gangs: what one node cannot pull is counted.
#[test]
pub fn a_gangs_job_fails_at_once_only_if_no_node_could_pull() {
    Bed::of(Group::Main).run("gangs", |cluster| async move {
        let image = format!("{REGISTRY}/gangs/missing:1");
        let mut absent = container("main", &image);
        absent["imagePullPolicy"] = json!("Never");
        for (name, container) in [("missing", container("main", &image)), ("absent", absent)] {
            let mut job = job(name, container, 1);
            job["spec"]["podFailurePolicy"] = json!({"rules": [{
                "action": "FailJob",
                "onPodConditions": [{"type": CONDITION_UNAVAILABLE, "status": "True"}],
            }]});
            cluster.create(job).await;
        }
        let failed = until_job_failed(&cluster, "missing").await;
        assert_eq!(failed["reason"], "PodFailurePolicy");
        let pods = cluster.pods_of("missing").await;
        assert_eq!(pods.len(), 1);
        assert_failed_by_us(&pods[0], "ImageNotFound", &image);
        let failed = until_job_failed(&cluster, "absent").await;
        assert_eq!(failed["reason"], "BackoffLimitExceeded");
        let pods = cluster.pods_of("absent").await;
        assert_eq!(pods.len(), 2);
        for pod in &pods {
            assert_failed_by_us(pod, "NeverPull", &image);
        }
    });
}

/// Older API servers add the status to a Job, but not to a CronJob's template.
#[test]
pub fn a_cron_job_needs_the_status_written_out() {
    let bed = Bed::of(Group::Main);
    // Since kubernetes/kubernetes#131525 the API server fills it in for a CronJob too.
    let without = if bed.minor() >= 34 {
        "allowed"
    } else {
        "invalid"
    };
    bed.run("policy", |cluster| async move {
        let admin = Holder::new(cluster.client.clone());
        let image = format!("{REGISTRY}/cron/missing:1");
        for (status, expected) in [(None, without), (Some("True"), "allowed")] {
            let mut job = job("a", container("main", &image), 0);
            job["spec"]["podFailurePolicy"] = json!({"rules": [{
                "action": "FailJob",
                "onPodConditions": [{"type": CONDITION}],
            }]});
            if let Some(status) = status {
                let rule = &mut job["spec"]["podFailurePolicy"]["rules"][0];
                rule["onPodConditions"][0]["status"] = json!(status);
            }
            let spec = json!({"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job["spec"]}});
            let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob",
                "metadata": {"name": "a"}, "spec": spec});
            let ask = Ask::new("POST /apis/batch/v1/namespaces/policy/cronjobs", cron);
            assert_eq!(admin.tries(&ask).await, expected);
        }
    });
}

/// A container that never ran reads exit code 137 once the kubelet has ended its Pod.
#[test]
pub fn a_rule_on_exit_code_137_belongs_after_ours() {
    Bed::of(Group::Main).run("limit", |cluster| async move {
        let ours = json!({
            "action": "FailJob",
            "onPodConditions": [{"type": CONDITION, "status": "True"}],
        });
        let ignore = json!({
            "action": "Ignore",
            "onExitCodes": {"operator": "In", "values": [137]},
        });
        for (name, rules) in [("first", [&ours, &ignore]), ("last", [&ignore, &ours])] {
            let image = format!("{REGISTRY}/order/{name}:1");
            let mut job = job(name, container("main", &image), 0);
            job["spec"]["podFailurePolicy"] = json!({ "rules": rules });
            cluster.create(job).await;
        }
        let failed = until_job_failed(&cluster, "first").await;
        assert_eq!(failed["reason"], "PodFailurePolicy");
        assert_eq!(cluster.pods_of("first").await.len(), 1);
        // The kubelet's first Failed status may still show the container waiting. A Job controller
        // that reads this status finds no exit code, and comes to the second rule.
        let end = || async {
            let pods = cluster.pods_of("last").await;
            let replaced = pods.len() >= 2 && pods.iter().any(|pod| phase(pod) == "Failed");
            let job = cluster.job("last").await?;
            (replaced || failed_condition(&job).is_some()).then_some(job)
        };
        let job = cluster
            .until("the second Job to go on, or to fail", end)
            .await;
        match failed_condition(&job) {
            Some(failed) => assert_eq!(failed["reason"], "PodFailurePolicy"),
            // It forgives no failure, and goes on all the same.
            None => {
                assert!(job["status"]["failed"].is_null(), "{job}");
                assert!(job["status"]["conditions"].is_null(), "{job}");
            }
        }
        let code = || async {
            let pods = cluster.pods_of("last").await;
            let failed = pods.into_iter().find(|pod| phase(pod) == "Failed")?;
            let state = &failed["status"]["containerStatuses"][0]["state"];
            (state["terminated"]["exitCode"] == 137).then_some(())
        };
        cluster.until("the exit code 137", code).await;
        cluster.delete_job("last").await;
    });
}

#[test]
pub fn job_without_a_policy_counts_its_backoff_limit() {
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
pub fn a_jobs_retries_need_one_failure_each() {
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
pub fn bare_pod_is_failed_and_told_why() {
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
pub fn standing_reasons_are_failed_by_the_clock() {
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
