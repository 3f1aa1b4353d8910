//! Queues and workflows on a real node, by their real controllers: who waits behind an image that
//! cannot be pulled, and for how long. An agent fails Pods after three failures there.

#[cfg(feature = "soak")]
mod argo;
#[cfg(feature = "soak")]
mod defaults;
mod jobset;
mod kueue;
mod ready;
#[cfg(feature = "soak")]
mod rollout;
mod tekton;

use jiff::Timestamp;
use pullwarden::pod_fields::{ANNOTATION_FAILED_AT, CONDITION};
use serde_json::{Value, json};
use testbed::Stopwatch;

use crate::bed::Bed;
use crate::cluster::{Cluster, name};
use crate::shapes::{REGISTRY, container};

/// A repository with an image that runs.
const GOOD: &str = "queues/good";

/// Reference of an image that runs, pushed now.
fn good(bed: &Bed) -> String {
    bed.node.push_image(GOOD, "1").unwrap();
    format!("{REGISTRY}/{GOOD}:1")
}

/// Reference of an image that the registry does not have.
fn missing(cluster: &Cluster) -> String {
    format!("{REGISTRY}/{}/missing:1", cluster.namespace)
}

/// A container that asks for so much CPU and may use more.
fn requesting(image: &str, cpu: &str) -> Value {
    let mut container = container("main", image);
    container["resources"] = json!({"requests": {"cpu": cpu}});
    container
}

/// The same, ending by itself after so many seconds.
fn ending(image: &str, cpu: &str, seconds: u32) -> Value {
    let mut container = requesting(image, cpu);
    container["args"] = json!(["sleep", seconds.to_string()]);
    container
}

/// A policy that fails a Job with its first Pod that we fail.
fn policy() -> Value {
    json!({"rules": [{
        "action": "FailJob",
        "onPodConditions": [{"type": CONDITION, "status": "True"}],
    }]})
}

/// A condition of an object, if it is True.
fn is_true<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    let mut found = conditions.iter().filter(|c| c["type"] == kind);
    found.find(|condition| condition["status"] == "True")
}

/// The second of a time in an object.
fn second(time: &Value) -> i64 {
    let time: Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_second()
}

/// The second at which we failed a Pod.
fn failed_at(pod: &Value) -> i64 {
    second(&pod["metadata"]["annotations"][ANNOTATION_FAILED_AT])
}

/// The namespace's Pods whose names begin like this.
async fn pods_of(cluster: &Cluster, prefix: &str) -> Vec<Value> {
    let mut pods = cluster.pods().await;
    pods.retain(|pod| name(pod).starts_with(prefix));
    pods
}

/// Asserts that `kubectl describe` shows our Event on an owner of a Pod, and the image's error with it.
fn assert_described(bed: &Bed, cluster: &Cluster, owner: &str, pod: &str) {
    let arguments = ["--namespace", &cluster.namespace, "describe", owner];
    let described = bed.node.kubectl().args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&described.stdout);
    let event = format!("Failed the Pod {pod}: image {}", missing(cluster));
    let mut lines = text.lines();
    let shown = lines.find(|line| line.contains("ImagePullFailed") && line.contains(&event));
    assert!(shown.is_some(), "{owner}: {described:?}");
    eprintln!("kubectl describe {owner}: {}", shown.unwrap().trim());
}

/// Prints the seconds that something took.
fn took(what: &str, begun: Stopwatch) {
    eprintln!("{what} after {:.1} s", begun.elapsed().as_secs_f64());
}
