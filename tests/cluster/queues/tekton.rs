//! Tekton Pipelines: a TaskRun whose image cannot be pulled, for a while or for ever.

use serde_json::{Value, json};
use testbed::{Fault, Stopwatch};

use super::{assert_described, missing, took};
use crate::audit::{assert_only_failed, writes};
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us};
use crate::shapes::FAULTY;

const API: &str = "apis/tekton.dev/v1";

/// Makes a TaskRun `a` of one step.
async fn create(cluster: &Cluster, image: &str) {
    let run = json!({
        "apiVersion": "tekton.dev/v1", "kind": "TaskRun",
        "metadata": {"name": "a"},
        "spec": {"timeout": "1h", "taskSpec": {"steps": [{
            "name": "main", "image": image, "command": ["/testimage"], "args": ["sleep", "1"],
        }]}},
    });
    let path = cluster.path(API, "taskruns");
    cluster.request("POST", &path, Some(&run)).await.unwrap();
}

/// Waits until the TaskRun is over, and gives its condition.
async fn until_over(cluster: &Cluster) -> Value {
    let path = cluster.path(API, "taskruns/a");
    let over = || async {
        let run = cluster.get(&path).await?;
        let mut conditions = run["status"]["conditions"].as_array()?.iter();
        let succeeded = conditions.find(|c| c["type"] == "Succeeded")?;
        (succeeded["status"] != "Unknown").then(|| succeeded.clone())
    };
    cluster.until("the TaskRun to be over", over).await
}

/// Pushes an image, and takes its registry away.
fn away(bed: &Bed, repository: &str) -> String {
    bed.node.push_image(repository, "1").unwrap();
    bed.node.set_fault(repository, Fault::Unavailable).unwrap();
    format!("{FAULTY}/{repository}:1")
}

/// Nothing was written to the namespace's Pods.
fn assert_silent(bed: &Bed, cluster: &Cluster) {
    let written = writes(&bed.node, &cluster.namespace);
    assert!(written.is_empty(), "{written:?}");
    assert_eq!(bed.agent().lines_of("report"), Vec::<Value>::new());
}

/// It fails a TaskRun at the kubelet's first `ImagePullBackOff`, whatever the cause.
#[test]
fn tekton_as_it_comes_fails_in_a_short_outage_by_itself() {
    let bed = Bed::of(Group::Tekton);
    bed.run("tekton-alone", |cluster| {
        let bed = &bed;
        async move {
            let image = away(bed, "tekton-alone/good");
            let begun = Stopwatch::start();
            create(&cluster, &image).await;
            let over = until_over(&cluster).await;
            took("Tekton as it comes: the TaskRun has failed", begun);
            assert_eq!(over["status"], "False", "{over}");
            assert_eq!(over["reason"], "TaskRunImagePullFailed", "{over}");
            assert_silent(bed, &cluster);
        }
    });
}

/// Longer than it takes Tekton as it comes to give up.
#[test]
fn tekton_that_waits_succeeds_after_a_short_outage() {
    let bed = Bed::of(Group::TektonWaits);
    bed.run("tekton-outage", |cluster| {
        let bed = &bed;
        async move {
            let repository = "tekton-outage/good";
            let image = away(bed, repository);
            let begun = Stopwatch::start();
            create(&cluster, &image).await;
            cluster.until_waiting("a-pod", "ImagePullBackOff").await;
            bed.node.heal(repository).unwrap();
            took("Tekton with 2h: the registry is back", begun);
            let over = until_over(&cluster).await;
            took("Tekton with 2h: the TaskRun has succeeded", begun);
            assert_eq!(over["status"], "True", "{over}");
            let written = writes(&bed.node, &cluster.namespace);
            assert!(written.is_empty(), "{written:?}");
        }
    });
}

#[test]
fn tekton_that_waits_leaves_a_missing_image_to_us() {
    let bed = Bed::of(Group::TektonWaits);
    bed.run("tekton-missing", |cluster| {
        let bed = &bed;
        async move {
            let image = missing(&cluster);
            let begun = Stopwatch::start();
            create(&cluster, &image).await;
            let failed = cluster.until_failed("a-pod").await;
            assert_failed_by_us(&failed, "ImageNotFound", &image);
            let over = until_over(&cluster).await;
            took(
                "Tekton with 2h, a missing image: the TaskRun has failed",
                begun,
            );
            assert_eq!(over["status"], "False", "{over}");
            assert_eq!(over["reason"], "Failed", "{over}");
            assert_only_failed(&bed.node, &cluster.namespace, &["a-pod"]);
            assert_described(bed, &cluster, "taskrun/a", "a-pod");
        }
    });
}
