//! `testbed cost`: what the agent costs on a quiet node, measured.

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use testbed::{Component, Node, NodeOptions, Progress, Stopwatch, tail};

use super::agent::Agent;
use super::interrupt::{self, Interrupt};
use super::kubectl::{create, kubectl, permit_agent};
use super::{Versions, cargo};

/// The agent's own default.
const POLL: Duration = Duration::from_secs(5);
/// How long is measured.
const SPAN: Duration = Duration::from_secs(60);
/// How long all Pods together may take to run.
const PODS: Duration = Duration::from_secs(600);
/// How long the agent may take to settle all Pods and close its evidence.
const QUIET: Duration = Duration::from_secs(180);
/// How long the agent is left alone before, so that no question of ours is measured.
const REST: Duration = Duration::from_secs(15);
/// The goal for the program's size, in MiB.
const SIZE: f64 = 10.0;

#[derive(Debug, Args)]
pub struct Cost {
    #[command(flatten)]
    versions: Versions,
    /// How many healthy Pods the node runs, up to 240
    #[arg(long, default_value_t = 110, value_parser = clap::value_parser!(u16).range(..=240))]
    pods: u16,
}

/// What the kernel has counted for a process, all threads together.
#[derive(Debug, Default)]
struct Counters {
    /// On a CPU, in nanoseconds.
    cpu: u64,
    /// How often it went to sleep of its own accord.
    switches: u64,
    /// Threads.
    threads: usize,
}

impl Cost {
    pub fn run(self) -> Result<ExitCode> {
        testbed::check_root().context("the measurement starts a real node: run it as root")?;
        let program = cargo::build_agent(true)?;
        let size = fs::metadata(&program).context("looking at the program")?;
        let node = Node::start(NodeOptions {
            // Pods are made and looked at faster than the kubelet does by default.
            kubelet: json!({"kubeAPIQPS": 200, "kubeAPIBurst": 400}),
            ..self.versions.node()
        })?;
        let interrupt = Interrupt::watch()?;
        let measured = self.measure(&node, &program, &interrupt, mib(size.len()));
        drop(node);
        if measured.is_err() && testbed::until(Duration::from_millis(500), || interrupt.asked()) {
            println!("Interrupted. Everything that was started is gone.");
            return Ok(ExitCode::from(interrupt::CODE));
        }
        Ok(match measured? {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }

    /// Prints what was measured; whether the goals are reached that do not depend on the machine.
    fn measure(
        &self,
        node: &Node,
        program: &std::path::Path,
        interrupt: &Interrupt,
        size: f64,
    ) -> Result<bool> {
        let progress = Progress::new(false);
        let patience = |what: &str, most: Duration, so: &mut dyn FnMut() -> bool| {
            progress.step(what, || testbed::until(most, || interrupt.asked() || so()))
                && !interrupt.asked()
        };
        node.push_image("cost", "1")?;
        permit_agent(node)?;
        let pods: Vec<Value> = (0..self.pods).map(|index| pod(node, index)).collect();
        create(
            node,
            &json!({"apiVersion": "v1", "kind": "List", "items": pods}),
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
        let what = format!("starting {} Pods", self.pods);
        let all = patience(&what, PODS, &mut || running() >= usize::from(self.pods));
        ensure!(
            all,
            "{} of {} Pods run; the end of the kubelet's log:\n{}",
            running(),
            self.pods,
            tail(&node.log(Component::Kubelet))
        );

        let mut agent = Agent::start(node, program, "")?;
        let settled = patience("waiting until the agent is quiet", QUIET, &mut || {
            agent.status().is_some_and(|status| {
                status["sandboxes"].as_u64() >= Some(self.pods.into())
                    && status["unsettled"] == 0
                    && status["evidence"] == "closed"
            })
        });
        ensure!(
            settled,
            "the agent does not come to rest: {}; the end of its log:\n{}",
            agent.status().unwrap_or_default(),
            tail(&agent.log())
        );
        patience("letting it rest", REST, &mut || false);

        let requests = requests(node)?;
        let before = Counters::of(agent.pid())?;
        let begun = Stopwatch::start();
        patience("measuring", SPAN, &mut || false);
        let after = Counters::of(agent.pid())?;
        let seconds = begun.elapsed().as_secs_f64();
        ensure!(!interrupt.asked(), "interrupted");
        if let Some(status) = agent.ended()? {
            bail!(
                "pullwarden ended ({status}); its log:\n{}",
                tail(&agent.log())
            );
        }
        let requests = self::requests(node)? - requests;
        let memory = memory(agent.pid())?;
        let polls = seconds / POLL.as_secs_f64();
        let milliseconds = Duration::from_nanos(after.cpu - before.cpu).as_secs_f64() * 1e3;
        let switches = u32::try_from(after.switches - before.switches)?;
        let resident = memory.get("VmRSS").copied().unwrap_or_default();
        let own = memory.get("RssAnon").copied().unwrap_or_default();
        let peak = memory.get("VmHWM").copied().unwrap_or_default();

        println!(
            "\npullwarden (release, mode observe, poll 5s) on a quiet node with {} Pods, Kubernetes {}, containerd {}.\n\
             Measured for {seconds:.0} s, {polls:.0} polls; CPU from schedstat, of {} {}.\n",
            self.pods,
            node.plan().kubernetes,
            node.plan().containerd,
            after.threads,
            if after.threads == 1 {
                "thread"
            } else {
                "threads"
            },
        );
        let row =
            |what: &str, value: String, goal: &str| println!("  {what:<32}{value:>10}   {goal}");
        row("", "measured".to_owned(), "goal");
        row("resident memory", format!("{resident:.1} MiB"), "≤ 12 MiB");
        row("  of that its own (anonymous)", format!("{own:.1} MiB"), "");
        row("  its peak since the start", format!("{peak:.1} MiB"), "");
        row(
            "CPU a poll",
            format!("{:.2} ms", milliseconds / polls),
            "≤ 1.5 ms",
        );
        row(
            "voluntary switches a poll",
            format!("{:.1}", f64::from(switches) / polls),
            "",
        );
        row("requests to the API server", requests.to_string(), "0");
        row("program", format!("{size:.1} MiB"), "≤ 10 MiB");
        Ok(requests == 0 && size <= SIZE)
    }
}

/// A healthy Pod.
fn pod(node: &Node, index: u16) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": format!("healthy-{index}")},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": format!("{}/cost:1", node.registry())}],
        },
    })
}

/// How many requests of the agent the API server has noted.
fn requests(node: &Node) -> Result<usize> {
    let path = node.audit_log();
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let by_agent = |line: &&str| {
        let entry: Option<Value> = serde_json::from_str(line).ok();
        entry.is_some_and(|entry| entry["user"]["username"] == "pullwarden")
    };
    Ok(text.lines().filter(by_agent).count())
}

impl Counters {
    fn of(pid: u32) -> Result<Self> {
        let mut counters = Self::default();
        let tasks = format!("/proc/{pid}/task");
        for task in fs::read_dir(&tasks).with_context(|| format!("reading {tasks}"))? {
            let task = task.with_context(|| format!("reading {tasks}"))?.path();
            // A thread may end meanwhile.
            let Ok(schedstat) = fs::read_to_string(task.join("schedstat")) else {
                continue;
            };
            let status = fs::read_to_string(task.join("status")).unwrap_or_default();
            let on_cpu = schedstat.split_whitespace().next();
            counters.cpu += on_cpu
                .and_then(|ns| ns.parse::<u64>().ok())
                .context("schedstat")?;
            counters.switches += fields(&status)
                .find(|(name, _)| *name == "voluntary_ctxt_switches")
                .map_or(0, |(_, value)| value);
            counters.threads += 1;
        }
        Ok(counters)
    }
}

/// A process's memory in MiB, by the kernel's names.
fn memory(pid: u32) -> Result<BTreeMap<String, f64>> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let in_mib = |(name, kib): (&str, u64)| (name.to_owned(), mib(kib * 1024));
    Ok(fields(&text).map(in_mib).collect())
}

/// The numbers in a `status` file of /proc.
fn fields(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name, value.split_whitespace().next()?.parse().ok()?))
    })
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 bytes")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
