//! Healthy Pods, as many as a node has.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::{Component, Node, tail};

use super::kubectl::{create, kubectl};
use super::patience::Patience;

/// How long all of them together may take to run.
static RUN: LazyLock<Duration> = LazyLock::new(|| testbed::longest(100));

/// The image of healthy Pods.
const REPOSITORY: &str = "healthy";

/// Makes so many Pods that run for ever, and waits until they all do.
pub fn gather(node: &Node, pods: u16, patience: Patience<'_>) -> Result<()> {
    node.push_image(REPOSITORY, "1")?;
    let items: Vec<Value> = (0..pods)
        .map(|index| healthy(node, &format!("healthy-{index}"), &["pause"]))
        .collect();
    create(
        node,
        &json!({"apiVersion": "v1", "kind": "List", "items": items}),
    )?;
    let running = || {
        let arguments = [
            "get",
            "pods",
            "--field-selector=status.phase=Running",
            "-oname",
        ];
        kubectl(node, &arguments).map_or(0, |names| names.lines().count())
    };
    let what = format!("starting {pods} Pods");
    let all = patience.until(&what, *RUN, || running() >= usize::from(pods))?;
    ensure!(
        all,
        "{} of {pods} Pods run; the end of the kubelet's log:\n{}",
        running(),
        tail(&node.log(Component::Kubelet))
    );
    Ok(())
}

/// A Pod whose image is there, and what its container is to do.
pub fn healthy(node: &Node, name: &str, arguments: &[&str]) -> Value {
    let mut pod = pod(name, &format!("{}/{REPOSITORY}:1", node.registry()));
    pod["spec"]["containers"][0]["args"] = json!(arguments);
    pod
}

/// A Pod with one container.
pub fn pod(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": image}],
        },
    })
}
