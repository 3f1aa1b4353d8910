//! Argo Workflows: a workflow with steps whose image cannot be pulled.

use serde_json::{Value, json};
use testbed::Stopwatch;

use super::{assert_described, good, missing, pods_of, requesting, took};
use crate::audit::assert_only_failed;
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, name, waiting_reasons};

const API: &str = "apis/argoproj.io/v1alpha1";

/// Lets the namespace's Pods report their results, as Argo asks for.
async fn permit(cluster: &Cluster) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "executor"},
        "rules": [{
            "apiGroups": ["argoproj.io"],
            "resources": ["workflowtaskresults"],
            "verbs": ["create", "patch"],
        }],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "executor"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "executor"},
        "subjects": [{
            "kind": "ServiceAccount", "name": "default", "namespace": cluster.namespace,
        }],
    });
    for (resource, object) in [("roles", role), ("rolebindings", binding)] {
        let path = cluster.path("apis/rbac.authorization.k8s.io/v1", resource);
        cluster.request("POST", &path, Some(&object)).await.unwrap();
    }
}

/// A workflow of so many equal steps at the same time.
fn workflow(name: &str, image: &str, steps: usize) -> Value {
    let mut container = requesting(image, "10m");
    container["command"] = json!(["/testimage"]);
    container["args"] = json!(["sleep", "1"]);
    let steps = (0..steps).map(|index| json!({"name": format!("s{index}"), "template": "step"}));
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
        "metadata": {"name": name},
        "spec": {"entrypoint": "main", "templates": [
            {"name": "main", "steps": [steps.collect::<Vec<_>>()]},
            {"name": "step", "container": container},
        ]},
    })
}

async fn create(cluster: &Cluster, workflow: &Value) {
    let path = cluster.path(API, "workflows");
    cluster
        .request("POST", &path, Some(workflow))
        .await
        .unwrap();
}

/// Waits until a workflow has this phase, and returns it.
async fn until(cluster: &Cluster, name: &str, phase: &str) -> Value {
    let path = cluster.path(API, &format!("workflows/{name}"));
    let reached = || async {
        let workflow = cluster.get(&path).await?;
        (workflow["status"]["phase"] == phase).then_some(workflow)
    };
    cluster
        .until(&format!("workflow {name} to be {phase}"), reached)
        .await
}

/// Exactly so many Pods of `a` have been, and all of them were failed by us.
async fn assert_all_failed(bed: &Bed, cluster: &Cluster, count: usize) {
    let pods = pods_of(cluster, "a-").await;
    assert_eq!(pods.len(), count);
    for pod in &pods {
        assert_failed_by_us(pod, "ImageNotFound", &missing(cluster));
    }
    let names: Vec<&str> = pods.iter().map(name).collect();
    assert_only_failed(&bed.node, &cluster.namespace, &names);
}

#[test]
fn a_workflow_behind_a_mutex_runs() {
    let bed = Bed::of(Group::Argo);
    bed.run("argo-mutex", |cluster| {
        let bed = &bed;
        async move {
            permit(&cluster).await;
            let mutex = json!({"mutexes": [{"name": "one"}]});
            let [mut a, mut b] = [
                workflow("a", &missing(&cluster), 1),
                workflow("b", &good(bed), 1),
            ];
            for workflow in [&mut a, &mut b] {
                workflow["spec"]["synchronization"] = mutex.clone();
            }
            let begun = Stopwatch::start();
            create(&cluster, &a).await;
            let stuck = || async {
                let pod = pods_of(&cluster, "a-").await.pop()?;
                let reasons = waiting_reasons(&pod);
                reasons
                    .iter()
                    .any(|reason| reason == "ImagePullBackOff")
                    .then_some(())
            };
            cluster.until("a to be stuck", stuck).await;
            create(&cluster, &b).await;
            let waits = until(&cluster, "b", "Pending").await;
            assert!(
                waits["status"]["synchronization"]["mutex"]["waiting"].is_array(),
                "{waits}"
            );
            until(&cluster, "a", "Failed").await;
            took("Argo, a mutex: a has failed", begun);
            until(&cluster, "b", "Succeeded").await;
            took("Argo, a mutex: b has succeeded", begun);
            assert_all_failed(bed, &cluster, 1).await;
            let pods = pods_of(&cluster, "a-").await;
            assert_described(bed, &cluster, "workflow/a", name(&pods[0]));
        }
    });
}

/// More than the budget of an owner, but for the same image and cause.
#[test]
fn five_bad_steps_of_a_workflow_all_fail() {
    let bed = Bed::of(Group::Argo);
    bed.run("argo-five", |cluster| {
        let bed = &bed;
        async move {
            permit(&cluster).await;
            let begun = Stopwatch::start();
            create(&cluster, &workflow("a", &missing(&cluster), 5)).await;
            until(&cluster, "a", "Failed").await;
            took("Argo, five steps: the workflow has failed", begun);
            assert_all_failed(bed, &cluster, 5).await;
        }
    });
}

#[test]
fn a_step_is_retried_as_often_as_it_may() {
    let bed = Bed::of(Group::Argo);
    bed.run("argo-retry", |cluster| {
        let bed = &bed;
        async move {
            permit(&cluster).await;
            let mut a = workflow("a", &missing(&cluster), 1);
            a["spec"]["templates"][1]["retryStrategy"] = json!({"limit": "2"});
            let begun = Stopwatch::start();
            create(&cluster, &a).await;
            until(&cluster, "a", "Failed").await;
            took("Argo, two retries: the workflow has failed", begun);
            assert_all_failed(bed, &cluster, 3).await;
        }
    });
}
