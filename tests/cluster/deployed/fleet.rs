//! The fleet budget as it is shipped: an agent enters a token for each Pod, and holds without a place.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::installed::{Installed, until_status};
use super::{bad, only_pod};
use crate::cluster::{Cluster, assert_failed_by_us, assert_untouched, name};
use crate::shapes::REGISTRY;

const FLEET: [&str; 4] = ["-n", "pullwarden", "configmap", "pullwarden-fleet"];

fn entries(installed: &Installed<'_>) -> Map<String, Value> {
    let [in_, namespace, kind, name] = FLEET;
    let object = installed.kubectl(&[in_, namespace, "get", kind, name, "-o", "json"]);
    let object: Value = serde_json::from_str(&object).unwrap();
    object["data"].as_object().cloned().unwrap_or_default()
}

fn patch(installed: &Installed<'_>, entries: Map<String, Value>) {
    let [in_, namespace, kind, name] = FLEET;
    let patch = json!({ "data": entries }).to_string();
    installed.kubectl(&[
        in_,
        namespace,
        "patch",
        kind,
        name,
        "--type=merge",
        "-p",
        &patch,
    ]);
}

/// A Pod was failed before: its token is there. Then the budget is spent by other nodes, and is free again.
pub async fn fleet(cluster: &Cluster, installed: &Installed<'_>, node: &str) {
    let tokens = entries(installed);
    let [(key, value)] = &tokens.iter().collect::<Vec<_>>()[..] else {
        panic!("{tokens:?}");
    };
    assert!(key.contains(&format!(".{node}.")), "{key}");
    let value = value.as_str().unwrap();
    let begins = format!(
        "namespace={} owner=Job/stuck registry={REGISTRY} image=",
        cluster.namespace
    );
    assert!(value.starts_with(&begins), "{value}");

    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let token = |nth: u64| {
        let value = format!("namespace=n{nth} owner=Job/o registry=r{nth} image=0123456789abcdef");
        (format!("{now}.node-{nth}.0000000a"), json!(value))
    };
    let others: Map<String, Value> = (0..29).map(token).collect();
    patch(installed, others.clone());
    let image = format!("{REGISTRY}/deployed/missing:2");
    cluster.create(bad("late", &image, "1")).await;
    let late = only_pod(cluster, "late").await;
    until_status(
        cluster,
        installed,
        "the fleet budget to hold it",
        |status| status["held"]["fleet"] == 1,
    )
    .await;
    assert_untouched(&cluster.pod(name(&late)).await.unwrap());
    assert_eq!(entries(installed).len(), 30);
    // Applied again, the entries stay. A changed configuration has the agent ask again.
    installed.apply("overlays/enforce");
    assert_eq!(entries(installed).len(), 30);
    installed.configure("mode: enforce\nwarmUp: 0s\nfleetBudget: { pods: 31 }\n");
    assert_failed_by_us(
        &cluster.until_failed(name(&late)).await,
        "ImageNotFound",
        &image,
    );
    assert_eq!(entries(installed).len(), 31);
    let mut none = others;
    none.values_mut().for_each(|value| *value = Value::Null);
    patch(installed, none);
    installed.apply("overlays/enforce");
}
