//! `testbed cost`: what the agent costs on a quiet node, measured.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::json;
use testbed::{Node, NodeOptions, Stopwatch, tail};

use super::agent::{Agent, USER};
use super::audit::Audit;
use super::interrupt::Interrupt;
use super::kubectl::permit_agent;
use super::patience::Patience;
use super::process::{Counters, Memory, mib};
use super::{Versions, cargo, crowd};

/// How long is measured.
const SPAN: Duration = Duration::from_secs(60);
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

impl Cost {
    pub fn run(self) -> Result<ExitCode> {
        testbed::check_root().context("the measurement starts a real node: run it as root")?;
        let program = cargo::build_agent(cargo::Build::Release)?;
        let size = fs::metadata(&program).context("looking at the program")?;
        let node = Node::start(NodeOptions {
            // Pods are made and looked at faster than the kubelet does by default.
            kubelet: json!({"kubeAPIQPS": 200, "kubeAPIBurst": 400}),
            ..self.versions.node()
        })?;
        let interrupt = Interrupt::watch()?;
        let patience = Patience::new(&interrupt);
        let measured = self.measure(&node, &program, patience, mib(size.len()));
        drop(node);
        interrupt.conclude(measured)
    }

    /// Prints what was measured; whether the goals are reached that do not depend on the machine.
    fn measure(
        &self,
        node: &Node,
        program: &Path,
        patience: Patience<'_>,
        size: f64,
    ) -> Result<bool> {
        permit_agent(node)?;
        crowd::gather(node, self.pods, patience)?;
        let mut agent = Agent::start(node, program, "")?;
        agent.until_quiet(self.pods, patience)?;
        patience.pass("letting it rest", REST)?;

        let requests = Audit::read(node)?.requests(USER);
        let looks = agent.looks()?;
        let before = Counters::of(agent.pid())?;
        let begun = Stopwatch::start();
        patience.pass("measuring", SPAN)?;
        let after = Counters::of(agent.pid())?;
        let seconds = begun.elapsed().as_secs_f64();
        if let Some(status) = agent.ended()? {
            bail!(
                "pullwarden ended ({status}); its log:\n{}",
                tail(&agent.log())
            );
        }
        let requests = Audit::read(node)?.requests(USER) - requests;
        let memory = Memory::of(agent.pid())?;
        let looks = f64::from(u32::try_from(agent.looks()? - looks)?);
        let milliseconds = Duration::from_nanos(after.cpu - before.cpu).as_secs_f64() * 1e3;
        let switches = u32::try_from(after.switches - before.switches)?;
        let Memory {
            resident,
            anonymous: own,
            peak,
        } = memory;

        println!(
            "\npullwarden (release, mode observe, poll 5s) on a quiet node with {} Pods, Kubernetes {}, {}.\n\
             Measured for {seconds:.0} s, {looks:.0} looks at the runtime; CPU from schedstat, of {} {}.\n",
            self.pods,
            node.plan().kubernetes,
            node.plan().runtime.title(),
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
            "CPU a look",
            format!("{:.2} ms", milliseconds / looks),
            "≤ 1.5 ms",
        );
        row(
            "voluntary switches a look",
            format!("{:.1}", f64::from(switches) / looks),
            "",
        );
        row("requests to the API server", requests.to_string(), "0");
        row("program", format!("{size:.1} MiB"), "≤ 10 MiB");
        Ok(requests == 0 && size <= SIZE)
    }
}
