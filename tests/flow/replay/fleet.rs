//! `pullwarden replay --fleet`: many nodes on one time line, with the fleet budget.

use std::path::Path;
use std::process::Command;

use pullwarden::judge::{NodeMode, Outcome};
use serde_json::Value;

use super::policies::{end, fail};
use crate::support::judge::at;
use crate::support::pod::Pod;
use crate::support::recorder::{self, Recorder};

const NODES: u64 = 60;

/// Logs of nodes on which a Pod each fails for the same registry, one node every five seconds. Their
/// agents observed. Every fourth Pod is in the namespace `barred`.
fn logs(dir: &Path) {
    for nth in 0..NODES {
        let name = format!("node-{nth}");
        let mut config = recorder::config(NodeMode::Observe);
        config.policy.failure_count = std::num::NonZeroU32::new(3);
        name.clone_into(&mut config.policy.node);
        let mut recorder = Recorder::start(config, &dir.join(&name));
        let namespace = if nth % 4 == 0 { "barred" } else { "team-a" };
        let uid = format!("{nth:08}");
        let pod = Pod::bad(&format!("of-{name}")).namespace(namespace);
        let pod = pod.node(&name).uid(&uid).owner(&uid);
        for failure in 0..3 {
            fail(&mut recorder, &pod, 100 + 60 * failure + 5 * nth);
        }
        end(&mut recorder, Outcome::Due, 225 + 5 * nth);
        // They fail on, and are there for a quarter of an hour more.
        for failure in 3..7 {
            fail(&mut recorder, &pod, 100 + 250 * failure + 5 * nth);
        }
        recorder.tick(at(2000));
    }
}

/// The Pods that each policy fails, with the second, and the sums.
fn replayed(dir: &Path, policies: &[&str]) -> (Vec<Vec<(i64, String)>>, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
    command
        .args(["replay", "--fleet", "-o", "json"])
        .env_clear();
    for (nth, policy) in policies.iter().enumerate() {
        let file = dir.with_extension(format!("{nth}.yaml"));
        std::fs::write(&file, policy).unwrap();
        command.arg("--config").arg(file);
    }
    let output = command.arg(dir).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut failed = vec![Vec::new(); policies.len()];
    for pod in answer["pods"].as_array().unwrap() {
        for (nth, failed) in failed.iter_mut().enumerate() {
            let finding = &pod["policies"][nth + 1];
            if finding["decision"] == "failed" {
                let time: jiff::Timestamp = finding["time"].as_str().unwrap().parse().unwrap();
                failed.push((
                    time.as_second(),
                    pod["namespace"].as_str().unwrap().to_owned(),
                ));
            }
        }
    }
    (failed, answer["summary"].clone())
}

#[test]
fn the_fleet_budget_limits_all_nodes_together() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("logs");
    logs(&dir);
    let enforce = "mode: enforce\nimagePullFailureCount: 3\nwarmUp: 0s\n";
    let limited = "fleetBudget: {pods: 10, namespaces: [{names: [barred], pods: 0}]}\n";
    let policies = [
        format!("{enforce}fleetBudget: {{enabled: off}}\n"),
        format!("{enforce}{limited}"),
    ];
    let (failed, sums) = replayed(&dir, &policies.each_ref().map(String::as_str));
    // Without it every node fails its own Pod.
    assert_eq!(failed[0].len() as u64, NODES);
    assert!(failed[1].len() > 10 && failed[1].len() < 45, "{sums}");
    assert!(failed[1].iter().all(|(_, namespace)| namespace != "barred"));
    for (first, _) in &failed[1] {
        let window = *first..first + 600;
        let within = failed[1].iter().filter(|(at, _)| window.contains(at));
        assert!(within.count() <= 10, "{:?}", failed[1]);
    }
    assert_eq!(sums[2]["failed"], failed[1].len());
    assert_eq!(sums[0]["wouldFail"], NODES, "what was in force observed");
}

#[test]
fn without_the_flag_each_node_is_judged_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("logs");
    logs(&dir);
    let policy = dir.with_extension("yaml");
    std::fs::write(
        &policy,
        "mode: enforce\nimagePullFailureCount: 3\nwarmUp: 0s\n",
    )
    .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
    command
        .args(["replay", "-o", "json", "--config"])
        .arg(&policy);
    for nth in 0..NODES {
        command.arg(dir.join(format!("node-{nth}/pulls.jsonl")));
    }
    let output = command.output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["summary"][1]["failed"], NODES);
}
