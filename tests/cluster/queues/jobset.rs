//! JobSet: three Jobs that start together, and the image of one cannot be pulled.

use std::collections::BTreeSet;

use pullwarden::pod_fields::{CONDITION, CONDITION_UNAVAILABLE};
use serde_json::{Value, json};
use testbed::{Fault, Stopwatch};

use super::{assert_described, good, is_true, missing, pods_of, policy, requesting, took};
use crate::audit::assert_only_failed;
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, Follow, name, phase};
use crate::shapes::{FAULTY, job};

const API: &str = "apis/jobset.x-k8s.io/v1alpha2";

/// Two workers with a good image and a driver with a bad one.
fn set(
    bed: &Bed,
    cluster: &Cluster,
    backoff_limit: u32,
    pod_failure_policy: Option<Value>,
) -> Value {
    let replicated = |name: &str, image: &str, replicas: u32| {
        let mut spec = job("", requesting(image, "10m"), backoff_limit)["spec"].take();
        if let Some(policy) = &pod_failure_policy {
            spec["podFailurePolicy"] = policy.clone();
        }
        json!({"name": name, "replicas": replicas, "template": {"spec": spec}})
    };
    json!({
        "apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet",
        "metadata": {"name": "a"},
        "spec": {"replicatedJobs": [
            replicated("workers", &good(bed), 2),
            replicated("driver", &missing(cluster), 1),
        ]},
    })
}

/// Makes the set, waits until its workers run, and gives the condition with which it fails.
async fn until_failed(cluster: &Cluster, set: &Value, what: &str) -> Value {
    let path = cluster.path(API, "jobsets");
    let begun = Stopwatch::start();
    cluster.request("POST", &path, Some(set)).await.unwrap();
    let both = || async {
        let workers = pods_of(cluster, "a-workers-").await;
        let running = workers.iter().filter(|pod| phase(pod) == "Running");
        (running.count() == 2).then_some(())
    };
    cluster.until("the workers to run", both).await;
    let failed = || async {
        let set = cluster.get(&format!("{path}/a")).await?;
        assert_eq!(set["status"]["restarts"].as_u64().unwrap_or(0), 0, "{set}");
        is_true(&set, "Failed").cloned()
    };
    let failed = cluster.until("the JobSet to fail", failed).await;
    took(&format!("JobSet, {what}: the set has failed"), begun);
    failed
}

/// The only driver that there was has been failed, by us; nothing of the set holds room any more.
async fn assert_over(bed: &Bed, cluster: &Cluster, mut follow: Follow) {
    let over = || async {
        let pods = pods_of(cluster, "a-").await;
        let all = pods
            .iter()
            .all(|pod| matches!(phase(pod), "Failed" | "Succeeded"));
        all.then_some(())
    };
    cluster.until("the workers to be gone", over).await;
    let seen = follow.take();
    let drivers = seen
        .iter()
        .map(name)
        .filter(|name| name.starts_with("a-driver-"));
    let drivers: Vec<&str> = drivers.collect::<BTreeSet<_>>().into_iter().collect();
    assert_eq!(drivers.len(), 1, "{drivers:?}");
    assert_only_failed(&bed.node, &cluster.namespace, &drivers);
}

#[test]
fn a_set_fails_with_its_first_job() {
    let bed = Bed::of(Group::JobSet);
    bed.run("jobset-alone", |cluster| {
        let bed = &bed;
        async move {
            let follow = cluster.follow().await;
            let set = set(bed, &cluster, 0, None);
            let failed = until_failed(&cluster, &set, "without rules").await;
            assert_eq!(failed["reason"], "FailedJobs", "{failed}");
            assert!(
                failed["message"].as_str().unwrap().contains("a-driver-0"),
                "{failed}"
            );
            assert_over(bed, &cluster, follow).await;
            // The Events outlive the Pod.
            let events = cluster.events("a-driver-0").await;
            let pod = events[0]["related"]["name"].as_str().unwrap();
            assert_described(bed, &cluster, "job/a-driver-0", pod);
            assert_described(bed, &cluster, "jobset/a", pod);
        }
    });
}

/// The image is there, but not for this node's architecture: nobody else's Pods need to end.
#[test]
fn a_set_goes_on_where_another_node_could_have_pulled() {
    let bed = Bed::of(Group::JobSet);
    bed.run("jobset-architecture", |cluster| {
        let bed = &bed;
        async move {
            let repository = format!("{}/other", cluster.namespace);
            bed.node.push_image(&repository, "1").unwrap();
            let without_this_node = Fault::OtherPlatform;
            bed.node.set_fault(&repository, without_this_node).unwrap();
            let rule = json!({"rules": [{
                "action": "FailJob",
                "onPodConditions": [{"type": CONDITION_UNAVAILABLE, "status": "True"}],
            }]});
            let mut set = set(bed, &cluster, 6, Some(rule));
            let driver = "/spec/replicatedJobs/1/template/spec/template/spec/containers/0/image";
            *set.pointer_mut(driver).unwrap() = json!(format!("{FAULTY}/{repository}:1"));
            let path = cluster.path(API, "jobsets");
            let begun = Stopwatch::start();
            cluster.request("POST", &path, Some(&set)).await.unwrap();
            let failed = || async {
                let pods = pods_of(&cluster, "a-driver-").await;
                pods.into_iter().find(|pod| phase(pod) == "Failed")
            };
            let failed = cluster.until("the driver to be failed", failed).await;
            took(
                "JobSet, another architecture: the driver's Pod is failed",
                begun,
            );
            assert!(is_true(&failed, CONDITION).is_some(), "{failed}");
            assert!(
                is_true(&failed, CONDITION_UNAVAILABLE).is_none(),
                "{failed}"
            );
            bed.node.heal(&repository).unwrap();
            let driver = || async {
                let pods = pods_of(&cluster, "a-driver-").await;
                pods.iter().any(|pod| phase(pod) == "Running").then_some(())
            };
            cluster.until("the Job's next Pod to run", driver).await;
            took("JobSet, another architecture: the Job has gone on", begun);
            let workers = pods_of(&cluster, "a-workers-").await;
            assert_eq!(workers.len(), 2);
            assert!(workers.iter().all(|pod| phase(pod) == "Running"));
            let set = cluster.get(&format!("{path}/a")).await.unwrap();
            assert!(is_true(&set, "Failed").is_none(), "{set}");
        }
    });
}

#[test]
fn a_set_that_restarts_does_not_begin_to_count_anew() {
    let bed = Bed::of(Group::JobSet);
    bed.run("jobset-restarts", |cluster| {
        let bed = &bed;
        async move {
            let mut set = set(bed, &cluster, 0, None);
            set["spec"]["failurePolicy"] = json!({"maxRestarts": 2});
            let path = cluster.path(API, "jobsets");
            let begun = Stopwatch::start();
            cluster.request("POST", &path, Some(&set)).await.unwrap();
            let failed = || async {
                let set = cluster.get(&format!("{path}/a")).await?;
                is_true(&set, "Failed").cloned()
            };
            let failed = cluster.until("the JobSet to fail", failed).await;
            took("JobSet, maxRestarts 2: the set has failed", begun);
            assert_eq!(failed["reason"], "ReachedMaxRestarts", "{failed}");
            // Three Pods: the first takes three failures, and each of the next ones a single one.
            let mut failures = bed.agent().lines_of("failure");
            failures.retain(|line| line["namespace"] == cluster.namespace);
            let mut by_pod: Vec<(&str, usize)> = Vec::new();
            for line in &failures {
                let uid = line["uid"].as_str().unwrap();
                match by_pod.iter_mut().find(|(of, _)| *of == uid) {
                    Some((_, count)) => *count += 1,
                    None => by_pod.push((uid, 1)),
                }
            }
            let counts: Vec<usize> = by_pod.iter().map(|(_, count)| *count).collect();
            assert_eq!(counts, [3, 1, 1]);
        }
    });
}

#[test]
fn a_set_with_a_rule_is_not_restarted() {
    let bed = Bed::of(Group::JobSet);
    bed.run("jobset-rule", |cluster| {
        let bed = &bed;
        async move {
            let follow = cluster.follow().await;
            let mut set = set(bed, &cluster, 6, Some(policy()));
            set["spec"]["failurePolicy"] = json!({"maxRestarts": 3, "rules": [{
                "name": "image",
                "action": "FailJobSet",
                "onJobFailureReasons": ["PodFailurePolicy"],
            }]});
            let failed = until_failed(&cluster, &set, "with a rule").await;
            assert_eq!(
                failed["reason"], "FailJobSetFailurePolicyAction",
                "{failed}"
            );
            assert!(
                failed["message"].as_str().unwrap().contains("a-driver-0"),
                "{failed}"
            );
            assert_over(bed, &cluster, follow).await;
        }
    });
}
