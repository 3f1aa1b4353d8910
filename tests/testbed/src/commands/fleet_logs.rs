//! `testbed fleet-logs`: the logs of many nodes while a registry answers "not found" to everything for
//! an hour, and what a replay makes of them with and without the fleet budget.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::{Value, json};
use testbed::Stopwatch;

use super::cargo;

/// The policies: with the fleet budget, and without.
const LIMITED: &str =
    "mode: enforce\nwarmUp: 0s\nfleetBudget: {namespaces: [{names: [prod], pods: 0}]}\n";
const UNLIMITED: &str = "mode: enforce\nwarmUp: 0s\nfleetBudget: {enabled: off}\n";
/// The hour in which the registry answers wrongly, in seconds of the log.
const WRONG: std::ops::Range<u64> = 3600..7200;
/// End of the log.
const END: u64 = 3 * 3600;
/// Pods of a node that come within the hour.
const STUCK: u64 = 3;
/// Seconds from one Pod of the healthy background to the next one of the node.
const HEALTHY: u64 = 600;
/// The fleet budget's window in seconds, and the most Pods in it.
const WINDOW: i64 = 600;
const MOST: usize = 30;

#[derive(Debug, Args)]
pub struct FleetLogs {
    /// The number of nodes
    #[arg(long, default_value_t = 3000)]
    nodes: u64,
    /// The program that replays the logs, instead of a release build of this one
    #[arg(long)]
    program: Option<PathBuf>,
}

impl FleetLogs {
    pub fn run(self) -> Result<ExitCode> {
        let program = match self.program {
            Some(program) => program,
            None => cargo::build_agent(cargo::Build::Release)?,
        };
        let name = format!("pullwarden-fleet-logs-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let judged = make(&dir.join("logs"), self.nodes).and_then(|()| judge(&program, &dir));
        fs::remove_dir_all(&dir).context("removing the logs")?;
        judged?;
        Ok(ExitCode::SUCCESS)
    }
}

fn make(dir: &Path, nodes: u64) -> Result<()> {
    for node in 0..nodes {
        let folder = dir.join(format!("node-{node}"));
        fs::create_dir_all(&folder).context("making a folder for a log")?;
        fs::write(folder.join("pulls.jsonl"), log(node)).context("writing a log")?;
    }
    Ok(())
}

/// The log of one node, whose agent observed.
fn log(node: u64) -> String {
    let mut lines: BTreeMap<(u64, u64), Value> = BTreeMap::new();
    let mut put = |second: u64, line: Value| {
        let nth = lines.len() as u64;
        lines.insert((second, nth), line);
    };
    let config = json!({"mode": "observe", "warmUp": "0s"});
    put(
        0,
        json!({"kind": "start", "version": "0", "node": format!("node-{node}"), "boot": "b",
        "counts": "none", "state": null, "config": config}),
    );
    // Pods whose image is pulled at once.
    for begins in (60 + node % HEALTHY..END - 60).step_by(600) {
        if WRONG.contains(&begins) {
            continue;
        }
        let pod = format!("well-{node}-{begins}");
        put(
            begins,
            view(node, &pod, "Pending", waiting("ContainerCreating", "")),
        );
        let runs = view(node, &pod, "Started", json!("Running"));
        put(begins + 5, left(&pod, runs["view"].clone()));
    }
    for nth in 0..STUCK {
        // The nodes of a cluster do not begin together.
        let begins = WRONG.start + (node * 7 + nth * 900) % 2700;
        let pod = format!("stuck-{node}-{nth}");
        let (mut failure, mut pause) = (begins, 10);
        while failure < WRONG.end {
            put(
                failure,
                view(node, &pod, "Pending", waiting("ErrImagePull", &error(node))),
            );
            let back_off = format!(
                "Back-off pulling image \"{}\": ErrImagePull: {}",
                image(node),
                error(node)
            );
            put(
                failure + 2,
                view(
                    node,
                    &pod,
                    "Pending",
                    waiting("ImagePullBackOff", &back_off),
                ),
            );
            failure += pause + 2;
            pause = (pause * 2).min(300);
        }
        // The registry is well again, and the next pull works.
        let runs = view(node, &pod, "Started", json!("Running"));
        put(failure, left(&pod, runs["view"].clone()));
    }
    let mut text = String::new();
    for ((second, _), mut line) in lines {
        let moment = json!({"secs": second, "nanos": 0});
        let (hour, minute) = (second / 3600, second / 60 % 60);
        line["time"] = json!(format!(
            "2026-11-02T{hour:02}:{minute:02}:{:02}Z",
            second % 60
        ));
        line["at"] = moment.clone();
        line["ticked"] = moment;
        text += &format!("{line}\n");
    }
    text
}

/// A node often runs one repository, so the registry's brake has nothing to hold on to.
fn image(node: u64) -> String {
    format!("r.test/team-{}/train:1", node % 200)
}

fn error(node: u64) -> String {
    let image = image(node);
    format!(
        "failed to pull and unpack image \"{image}\": failed to resolve image: {image}: not found"
    )
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"Waiting": {"reason": reason, "message": message}})
}

fn namespace(node: u64) -> &'static str {
    if node.is_multiple_of(10) {
        "prod"
    } else {
        "research"
    }
}

fn view(node: u64, pod: &str, phase: &str, state: Value) -> Value {
    json!({"kind": "view", "view": {"uid": pod.replace("stuck-", "5").replace('-', "f"), "namespace": namespace(node), "name": pod,
        "resource_version": "", "node": format!("node-{node}"), "phase": phase, "deleting": false, "mirror": false,
        "restart_policy": "Never", "annotations": {}, "owner": {"kind": "Job", "name": pod, "uid": format!("job-{pod}")},
        "marked": false, "ending": false, "source": "apiserver", "first": false,
        "containers": [{"name": "c", "image": image(node), "pull_policy": "IfNotPresent", "state": state}]}})
}

fn left(pod: &str, view: Value) -> Value {
    json!({"kind": "left", "namespace": view["namespace"], "pod": pod, "uid": view["uid"], "written": false, "view": view})
}

/// Replays the logs, and checks what each policy fails.
fn judge(program: &Path, dir: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command.args(["replay", "--fleet", "-o", "json"]);
    for (name, policy) in [("unlimited.yaml", UNLIMITED), ("limited.yaml", LIMITED)] {
        let file = dir.join(name);
        fs::write(&file, policy).context("writing a policy")?;
        command.arg("--config").arg(file);
    }
    let begun = Stopwatch::start();
    let output = command
        .arg(dir.join("logs"))
        .output()
        .context("starting pullwarden")?;
    let seconds = begun.elapsed().as_secs_f64();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pullwarden failed: {errors}");
    let out: Value = serde_json::from_slice(&output.stdout).context("the output is no JSON")?;
    println!("replayed in {seconds:.1} s");
    let mut failed = [0, 0];
    for (policy, name) in [(1, "without the fleet budget"), (2, "with it")] {
        let pods = out["pods"].as_array().into_iter().flatten();
        let of = pods.filter(|pod| pod["policies"][policy]["decision"] == "failed");
        let mut times = Vec::new();
        let mut in_prod = 0;
        for pod in of {
            let time = pod["policies"][policy]["time"].as_str().unwrap_or_default();
            times.push(seconds_of(time).with_context(|| format!("no time: {time}"))?);
            in_prod += usize::from(pod["namespace"] == "prod");
        }
        let within = |first: &i64| {
            times
                .iter()
                .filter(|t| (*first..first + WINDOW).contains(t))
                .count()
        };
        let most = times.iter().map(within).max().unwrap_or(0);
        println!(
            "{name}: {} Pods failed, {most} at most in {WINDOW} s, {in_prod} in prod",
            times.len()
        );
        failed[policy - 1] = times.len();
        ensure!(
            policy == 1 || (most <= MOST && in_prod == 0),
            "the fleet budget was exceeded"
        );
    }
    ensure!(
        failed[0] > failed[1] && failed[1] > 0,
        "the fleet budget made no difference"
    );
    Ok(())
}

/// Seconds of the day of `2026-11-02T01:02:03Z`.
fn seconds_of(time: &str) -> Option<i64> {
    let (_, clock) = time.trim_end_matches('Z').split_once('T')?;
    let mut parts = clock
        .split(':')
        .map(|part| part.split('.').next()?.parse::<i64>().ok());
    Some(parts.next()?? * 3600 + parts.next()?? * 60 + parts.next()??)
}
