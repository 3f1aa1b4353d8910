//! The admission policy is deleted while an agent enforces.

use serde_json::{Value, json};

use super::installed::{Installed, until_status};
use crate::cluster::{Cluster, assert_failed_by_us, assert_untouched};

/// Deletes what puts the agents' policy in force.
pub fn delete_policy(installed: &Installed<'_>) {
    installed.kubectl(&[
        "delete",
        "validatingadmissionpolicybinding",
        "pullwarden-pods",
    ]);
}

/// Returns the number of tokens in the fleet budget's ConfigMap.
pub fn tokens(installed: &Installed<'_>) -> usize {
    let object = installed.kubectl(&[
        "-n",
        "pullwarden",
        "get",
        "configmap",
        "pullwarden-fleet",
        "-o",
        "json",
    ]);
    let object: Value = serde_json::from_str(&object).unwrap();
    object["data"].as_object().map_or(0, serde_json::Map::len)
}

/// A Pod was held by the kill switch, so that the agent proves its policy again before it writes. The
/// policy is deleted, the switch is removed, and later the policy is back. `image` is the Pod's.
pub async fn unguarded(cluster: &Cluster, installed: &Installed<'_>, pod: &str, image: &str) {
    delete_policy(installed);
    installed.switch_on();
    stopped(cluster, installed).await;
    assert_untouched(&cluster.pod(pod).await.unwrap());
    installed.apply("overlays/enforce");
    let failed = cluster.until_failed(pod).await;
    assert_failed_by_us(&failed, "ImageNotFound", image);
    until_status(cluster, installed, "nothing to stop it", |status| {
        status["writesStopped"].is_null() && status["guardTried"] == "yes"
    })
    .await;
}

/// The agent has found that nothing holds it, and says so everywhere.
pub async fn stopped(cluster: &Cluster, installed: &Installed<'_>) {
    let what = "the agent to write no more";
    until_status(cluster, installed, what, |status| {
        let why = status["writesStopped"].as_str().unwrap_or_default();
        why.starts_with("nothing holds this agent to its own node")
            && status["held"]["stopped"].as_u64() >= Some(1)
            && status["pods"][0]["heldBy"] == json!(["stopped"])
    })
    .await;
    assert!(
        installed
            .log()
            .contains("nothing holds this agent to its own node")
    );
}
