//! The emulated program beside a real runtime: its `check`, and an agent that observes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testbed::{Node, tail};

use super::same::Pair;
use crate::commands::Versions;
use crate::commands::agent::Agent;
use crate::commands::kubectl::{create, permit_agent};

const SETTINGS: &str = "mode: observe\nimagePullFailureCount: 2\nwarmUp: 0s\n";

/// Longest wait until the agent answers.
fn soon() -> Duration {
    testbed::longest(30)
}
/// Longest wait for two failures.
fn two_failures() -> Duration {
    testbed::longest_after(40, 30)
}

/// A Pod whose image does not exist.
const POD: &str = "stuck";

/// Starts a node and an emulated agent on it.
pub fn run(versions: &Versions, pair: &Pair) -> Result<String> {
    let node = Node::start(versions.node())?;
    permit_agent(&node)?;
    let agent = Agent::start(&node, &pair.emulated, SETTINGS)?;
    let log = || format!("the end of its log:\n{}", tail(&agent.log()));
    let reached = testbed::until(soon(), || {
        agent
            .status()
            .is_some_and(|status| status["runtime"] == true)
    });
    ensure!(reached, "the agent does not reach the runtime; {}", log());

    let arguments = ["check".into(), "--config".into(), agent.config().into()];
    let checked = pair.ask(Some(&node), &arguments)?;
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    let runtime = text
        .lines()
        .find(|line| line.starts_with("ok       runtime"));
    let runtime = runtime.with_context(|| format!("check does not find the runtime:\n{text}"))?;

    create(&node, &pod(node.registry()))?;
    let counted = testbed::until(two_failures(), || {
        let status = agent.status().unwrap_or_default();
        let pods = status["pods"].as_array().cloned().unwrap_or_default();
        let of_pod =
            |of: &serde_json::Value| of["pod"] == POD && of["failures"].as_u64() >= Some(2);
        pods.iter().any(of_pod)
    });
    ensure!(counted, "two failures are not counted; {}", log());
    let journal = agent.node_log();
    drop(agent);
    let replayed = pair.replay(&journal)?;
    let summary = &replayed["summary"][0];
    ensure!(
        summary["disagreed"] == 0 && summary["agreed"].as_u64() > Some(0),
        "a replay of its log differs: {summary}"
    );
    let runtime = runtime.trim_start_matches("ok").trim_start();
    Ok(format!(
        "check: {runtime}; observed two failures; {} verdicts replayed",
        summary["agreed"]
    ))
}

fn pod(registry: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": POD},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": format!("{registry}/arm64/missing:1")}],
        },
    })
}
