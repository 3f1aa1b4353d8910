//! `testbed soak`

mod matrix;
mod table;
mod versions;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use testbed::{Controller, Stopwatch, random};

use super::arm64;
use super::bench_fleet::BenchFleet;
use super::controllers::Controllers;
use super::vm::scenes;
use super::{Versions, cargo};

#[derive(Debug, Args)]
pub struct Soak {
    #[command(flatten)]
    versions: Versions,
    #[command(flatten)]
    controllers: Controllers,
    /// How many Jobs are queued behind stuck ones
    #[arg(long, default_value_t = 100)]
    pairs: u32,
    /// Only those tests whose names contain one of these. `random`, `bench-fleet` (small), `matrix::`, `arm64::` and `vm::` alone: only these, and `versions::` with a part of a combination's name: that one. All but these and `first_time::` takes some 90 minutes
    filter: Vec<String>,
}

/// The name under which the random tests are asked for: they need no node.
const RANDOM: &str = "random";

/// The tests beside controllers of queues and workflows.
const QUEUES: &str = "queues";

/// The name under which the bench of a fleet is asked for, with few agents.
const FLEET: &str = "bench-fleet";

/// How many times as many cases are tried as by `cargo test`.
const TIMES: u64 = 20;

/// Runs the quick level with cases that nobody has tried, and says how to see them again.
fn explore() -> Result<bool> {
    let seed = random::fresh_seed()?;
    let again = format!(
        "{}={seed} {}={TIMES} cargo test --test flow",
        random::SEED,
        random::CASES
    );
    println!("random tests with a seed of their own; the same cases again:\n  {again}");
    let status = cargo::cargo()
        .args(["test", "--test", "flow"])
        .env(random::SEED, seed.to_string())
        .env(random::CASES, TIMES.to_string())
        .status()
        .context("running cargo")?;
    if !status.success() {
        println!(
            "\nThe random tests failed. Make a plain test of the case. The same cases again:\n  {again}"
        );
    }
    Ok(status.success())
}

impl Soak {
    pub fn run(self) -> Result<ExitCode> {
        if self.filter == [RANDOM] {
            return Ok(match explore()? {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            });
        }
        if !self.filter.is_empty() && self.filter.iter().all(|f| f.starts_with(scenes::SCENES)) {
            return scenes::play(&self.versions, &self.filter);
        }
        if matches!(&self.filter[..], [only] if only.starts_with(arm64::NAME)) {
            return arm64::run(&self.versions);
        }
        testbed::check_root().context("the soak starts real nodes: run it as root")?;
        if self.filter == [matrix::NAME] {
            return matrix::run(&self.versions.kubernetes);
        }
        if let Some(combinations) = versions::named(&self.filter) {
            return versions::run(&combinations?);
        }
        cargo::build_components(&self.versions)?;
        if self.filter.is_empty() || self.filter.iter().any(|filter| filter.contains(QUEUES)) {
            self.controllers.build(&Controller::ALL)?;
        }
        let mut arguments = vec!["--test-threads=64", "--nocapture"];
        match self.filter.is_empty() {
            true => arguments.extend(["next_job::", "hours::", "churn::", "queues::"]),
            false => arguments.extend(self.filter.iter().map(String::as_str)),
        }
        let testbed = std::env::current_exe().context("finding the running program")?;
        let begun = Stopwatch::start();
        if self.filter.is_empty() && !explore()? {
            return Ok(ExitCode::FAILURE);
        }
        if self.filter.is_empty() || self.filter.iter().any(|filter| filter.contains(FLEET)) {
            let measured = BenchFleet::small(self.versions.clone()).run()?;
            if measured != ExitCode::SUCCESS || self.filter == [FLEET] {
                return Ok(measured);
            }
        }
        let status = cargo::cluster_tests(&testbed, &self.versions, "soak", &arguments)
            .env("PULLWARDEN_SOAK_PAIRS", self.pairs.to_string())
            .envs(self.controllers.env())
            .status()
            .context("running cargo")?;
        let minutes = begun.elapsed().as_secs_f64() / 60.0;
        let pairs = self.pairs;
        Ok(if status.success() {
            println!(
                "\nNobody was harmed, queued Jobs ({pairs} where they were asked for) or Pods that healed; that took {minutes:.1} minutes."
            );
            ExitCode::SUCCESS
        } else {
            println!("\nThe soak failed after {minutes:.1} minutes; see above.");
            ExitCode::FAILURE
        })
    }
}
