//! Kueue, with room for one workload: A has an image that cannot be pulled, B waits behind it.

use serde_json::{Value, json};
use testbed::Stopwatch;

use super::{ending, failed_at, good, is_true, missing, pods_of, policy, requesting, second, took};
use crate::audit::assert_only_failed;
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, name};
use crate::shapes::{job, pod};

const API: &str = "/apis/kueue.x-k8s.io/v1beta2";

/// A ClusterQueue, and the LocalQueue of the test's namespace that leads to it, both of one name.
pub struct Queue<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl<'a> Queue<'a> {
    /// Makes both, with room for so much CPU.
    pub async fn make(cluster: &'a Cluster, name: &str, cpu: &str) -> Self {
        let flavor = json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor",
            "metadata": {"name": "default"},
        });
        // Another test may have made it.
        let path = format!("{API}/resourceflavors");
        cluster.request("POST", &path, Some(&flavor)).await.ok();
        let queue = json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue",
            "metadata": {"name": name},
            "spec": {
                "namespaceSelector": {},
                "resourceGroups": [{
                    "coveredResources": ["cpu"],
                    "flavors": [{"name": "default", "resources": [{"name": "cpu", "nominalQuota": cpu}]}],
                }],
            },
        });
        let path = format!("{API}/clusterqueues");
        cluster.request("POST", &path, Some(&queue)).await.unwrap();
        let local = json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue",
            "metadata": {"name": name},
            "spec": {"clusterQueue": name},
        });
        let path = format!("{API}/namespaces/{}/localqueues", cluster.namespace);
        cluster.request("POST", &path, Some(&local)).await.unwrap();
        let active = || async {
            let queue = cluster.get(&format!("{path}/{name}")).await?;
            is_true(&queue, "Active").map(drop)
        };
        cluster.until("the queue to be active", active).await;
        Self {
            cluster,
            name: name.to_owned(),
        }
    }

    /// Makes an object in this queue.
    pub async fn create(&self, mut object: Value) {
        object["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = json!(self.name);
        self.cluster.create(object).await;
    }

    /// The Workload of a Job, a Pod or a group of Pods.
    pub async fn workload(&self, of: &str) -> Option<Value> {
        let path = format!("{API}/namespaces/{}/workloads", self.cluster.namespace);
        let list = self.cluster.get(&path).await?;
        let is_of = |workload: &&Value| {
            let owners = workload["metadata"]["ownerReferences"].as_array();
            let owned = owners.is_some_and(|owners| owners.iter().any(|o| o["name"] == of));
            owned || workload["metadata"]["name"] == of
        };
        list["items"].as_array()?.iter().find(is_of).cloned()
    }

    /// Waits until a Workload has this condition, and gives the condition.
    pub async fn until(&self, of: &str, condition: &str) -> Value {
        let what = format!("the Workload of {of} to be {condition}");
        let asked = || async {
            let workload = self.workload(of).await?;
            is_true(&workload, condition).cloned()
        };
        self.cluster.until(&what, asked).await
    }

    /// Queues a Job `b` that runs for a second, and waits until Kueue has found no room for it.
    pub async fn queue_b(&self, image: &str, cpu: &str) {
        self.create(job("b", ending(image, cpu, 1), 0)).await;
        let waits = || async {
            let workload = self.workload("b").await?;
            let conditions = workload["status"]["conditions"].as_array()?;
            let mut quota = conditions.iter().filter(|c| c["type"] == "QuotaReserved");
            quota.find(|c| c["status"] == "False").map(drop)
        };
        self.cluster.until("b to be queued", waits).await;
        self.assert_b_waits().await;
    }

    /// `b` has not started.
    pub async fn assert_b_waits(&self) {
        let b = self.cluster.job("b").await.unwrap();
        assert_eq!(b["spec"]["suspend"], true, "{b}");
        assert!(b["status"]["startTime"].is_null(), "{b}");
    }

    /// Waits until `b` has run, admitted in the second `after` or later, and nothing uses the quota.
    pub async fn until_b_has_run(&self, after: i64, what: &str, begun: Stopwatch) {
        let admitted = self.until("b", "Admitted").await;
        took(&format!("{what}: b is admitted"), begun);
        assert!(
            second(&admitted["lastTransitionTime"]) >= after,
            "{admitted}"
        );
        let done = || async {
            let b = self.cluster.job("b").await?;
            is_true(&b, "Complete").map(drop)
        };
        self.cluster.until("b to be complete", done).await;
        let path = format!("{API}/clusterqueues/{}", self.name);
        let unused = || async {
            let queue = self.cluster.get(&path).await?;
            let total = &queue["status"]["flavorsUsage"][0]["resources"][0]["total"];
            (total == "0").then_some(())
        };
        self.cluster.until("the quota to be free", unused).await;
    }
}

/// Queues `b` behind `a`. Once `b` has run, exactly one Pod of `a` has been, and it was failed by us.
async fn one_pod_frees_the_queue(bed: &Bed, cluster: &Cluster, a: Value, what: &str) {
    let good = good(bed);
    let queue = Queue::make(cluster, &cluster.namespace, "100m").await;
    let begun = Stopwatch::start();
    queue.create(a).await;
    queue.until("a", "Admitted").await;
    queue.queue_b(&good, "100m").await;
    let pod = || async { pods_of(cluster, "a").await.pop() };
    let pod = cluster.until("a Pod of a", pod).await;
    let failed = cluster.until_failed(name(&pod)).await;
    assert_failed_by_us(&failed, "ImageNotFound", &missing(cluster));
    let after = failed_at(&failed);
    queue.until_b_has_run(after, what, begun).await;
    let finished = queue.until("a", "Finished").await;
    assert_eq!(finished["reason"], "Failed", "{finished}");
    assert_only_failed(&bed.node, &cluster.namespace, &[name(&pod)]);
    assert_eq!(pods_of(cluster, "a").await.len(), 1);
}

/// The reason and the message with which a Job has failed.
async fn failure(cluster: &Cluster, of: &str) -> (String, String) {
    let job = cluster.job(of).await.unwrap();
    let failed = is_true(&job, "Failed").unwrap();
    let text = |key: &str| failed[key].as_str().unwrap().to_owned();
    (text("reason"), text("message"))
}

#[test]
fn a_job_with_a_policy_frees_its_queue() {
    let bed = Bed::of(Group::Kueue);
    bed.run("kueue-policy", |cluster| {
        let bed = &bed;
        async move {
            let mut a = job("a", requesting(&missing(&cluster), "100m"), 6);
            a["spec"]["podFailurePolicy"] = policy();
            one_pod_frees_the_queue(bed, &cluster, a, "Kueue, podFailurePolicy").await;
            let (reason, message) = failure(&cluster, "a").await;
            assert_eq!(reason, "PodFailurePolicy");
            assert!(
                message.contains(pullwarden::pod_fields::CONDITION),
                "{message}"
            );
        }
    });
}

#[test]
fn a_job_that_forgives_nothing_frees_its_queue() {
    let bed = Bed::of(Group::Kueue);
    bed.run("kueue-limit", |cluster| {
        let bed = &bed;
        async move {
            let a = job("a", requesting(&missing(&cluster), "100m"), 0);
            one_pod_frees_the_queue(bed, &cluster, a, "Kueue, backoffLimit 0").await;
            let (reason, _) = failure(&cluster, "a").await;
            assert_eq!(reason, "BackoffLimitExceeded");
        }
    });
}

#[test]
fn a_bare_pod_frees_its_queue() {
    let bed = Bed::of(Group::Kueue);
    bed.run("kueue-pod", |cluster| {
        let bed = &bed;
        async move {
            let a = pod("a", vec![requesting(&missing(&cluster), "100m")]);
            one_pod_frees_the_queue(bed, &cluster, a, "Kueue, a bare Pod").await;
        }
    });
}

/// A Pod of the group `a`.
fn member(name: &str, container: Value) -> Value {
    let mut pod = pod(name, vec![container]);
    pod["metadata"]["labels"] = json!({"kueue.x-k8s.io/pod-group-name": "a"});
    pod["metadata"]["annotations"] = json!({"kueue.x-k8s.io/pod-group-total-count": "3"});
    pod
}

/// By Kueue's design a group keeps its quota until its failed Pod is replaced.
#[test]
fn a_replacement_heals_a_group_and_frees_its_queue() {
    let bed = Bed::of(Group::Kueue);
    bed.run("kueue-group", |cluster| {
        let bed = &bed;
        async move {
            let (good, bad) = (good(bed), missing(&cluster));
            let queue = Queue::make(&cluster, &cluster.namespace, "300m").await;
            let begun = Stopwatch::start();
            for (name, image) in [("a-0", &good), ("a-1", &bad), ("a-2", &good)] {
                queue.create(member(name, ending(image, "100m", 1))).await;
            }
            queue.until("a", "Admitted").await;
            // It takes all of the quota, so that two Pods that have ended are not enough.
            queue.queue_b(&good, "300m").await;
            let failed = cluster.until_failed("a-1").await;
            assert_failed_by_us(&failed, "ImageNotFound", &bad);
            queue.until("a", "WaitingForReplacementPods").await;
            took("Kueue, a group: it waits for a replacement", begun);
            queue.assert_b_waits().await;
            queue.create(member("a-3", ending(&good, "100m", 1))).await;
            let replaced = cluster.pod("a-3").await.unwrap();
            let after = second(&replaced["metadata"]["creationTimestamp"]);
            queue
                .until_b_has_run(after, "Kueue, a group that is healed", begun)
                .await;
            let finished = queue.until("a", "Finished").await;
            assert_eq!(finished["reason"], "Succeeded", "{finished}");
            assert_only_failed(&bed.node, &cluster.namespace, &["a-1"]);
        }
    });
}
