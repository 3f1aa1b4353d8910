//! `testbed test`

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use testbed::{Controller, Kind, Progress, Stopwatch};

use super::Versions;
use super::cargo::{self, Build};
use super::controllers::Controllers;

/// So many tests wait for one node that none may have to wait for a thread.
const THREADS: &str = "--test-threads=64";

/// The tests that need the image.
const DEPLOYED: &str = "deployed";

/// The tests that need Helm.
const CHART: &str = "chart";

/// The tests on nodes with CRI-O.
const CRIO: &str = "crio";

/// The tests beside controllers of queues and workflows.
const QUEUES: &str = "queues";

#[derive(Debug, Args)]
pub struct Test {
    #[command(flatten)]
    versions: Versions,
    #[command(flatten)]
    controllers: Controllers,
    /// Only those tests on the real node whose names contain one of these
    filter: Vec<String>,
}

/// A step that is over: what it was, how long it took in seconds, and whether it went well.
struct Done(&'static str, f64, bool);

impl Test {
    pub fn run(self) -> Result<ExitCode> {
        testbed::check_root().context("these tests start real nodes: run them as root")?;
        // Asked for now: cargo may put another file in its place.
        let testbed = std::env::current_exe().context("finding the running program")?;
        let mut done = Vec::new();
        let well = self.steps(&testbed, &mut done);
        println!();
        for Done(what, seconds, well) in &done {
            let how = if *well { "passed" } else { "FAILED" };
            println!("{what:<24} {seconds:>6.0} s  {how}");
        }
        Ok(match well? {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }

    /// Every step, until one fails.
    fn steps(&self, testbed: &Path, done: &mut Vec<Done>) -> Result<bool> {
        let Versions {
            kubernetes,
            runtime,
        } = &self.versions;
        if self.filter.is_empty() {
            let mut quick = cargo::cargo();
            quick.args(["test", "--workspace"]);
            if !step(done, "quick tests", || passes(quick))? {
                return Ok(false);
            }
        }
        step(done, "building components", || {
            println!(
                "Kubernetes {kubernetes}, {}, and what they need",
                runtime.title()
            );
            cargo::build_components(&self.versions)?;
            if self.wants(CRIO) {
                cargo::build_components(&Versions {
                    runtime: CRIO.parse()?,
                    ..self.versions.clone()
                })?;
            }
            if self.wants(CHART) || self.wants(DEPLOYED) || self.wants(CRIO) {
                testbed::build(&Kind::Helm.default_family()?, Progress::new(false))?;
            }
            if self.wants(DEPLOYED) {
                testbed::build(&Kind::Crane.default_family()?, Progress::new(false))?;
            }
            if self.wants(QUEUES) {
                let wanted = [Controller::Kueue, Controller::JobSet, Controller::Tekton];
                self.controllers.build(&wanted)?;
            }
            Ok(true)
        })?;
        let mut agent = None;
        if self.wants(DEPLOYED) || self.wants(CRIO) {
            step(done, "building the image", || {
                agent = Some(cargo::build_agent(Build::Static)?);
                Ok(true)
            })?;
        }
        let mut arguments = vec![THREADS];
        arguments.extend(self.filter.iter().map(String::as_str));
        let mut cluster = cargo::cluster_tests(testbed, &self.versions, "real-node", &arguments);
        cluster.envs(self.controllers.env());
        cluster.envs(agent.map(|agent| (cargo::AGENT, agent)));
        step(done, "tests on a real node", || passes(cluster))
    }

    /// Whether these tests are among those that are asked for.
    fn wants(&self, tests: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|filter| filter.contains(tests))
    }
}

/// Takes one step, with a line before and after it.
fn step(
    done: &mut Vec<Done>,
    what: &'static str,
    work: impl FnOnce() -> Result<bool>,
) -> Result<bool> {
    println!("\n── {what}");
    let begun = Stopwatch::start();
    let result = work();
    let seconds = begun.elapsed().as_secs_f64();
    println!("── {what}: {seconds:.0} s");
    done.push(Done(what, seconds, matches!(result, Ok(true))));
    result
}

/// Runs a command, its output passed through, and says whether it succeeded.
fn passes(mut command: Command) -> Result<bool> {
    let line = std::iter::once(command.get_program().display().to_string())
        .chain(command.get_args().map(|a| a.display().to_string()))
        .collect::<Vec<_>>()
        .join(" ");
    println!("{line}");
    let status = command
        .status()
        .with_context(|| format!("running {line}"))?;
    Ok(status.success())
}
