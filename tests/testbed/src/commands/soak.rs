//! `testbed soak`

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use testbed::Stopwatch;

use super::{Versions, cargo};

#[derive(Debug, Args)]
pub struct Soak {
    #[command(flatten)]
    versions: Versions,
    /// How many Jobs are queued behind stuck ones
    #[arg(long, default_value_t = 100)]
    pairs: u32,
    /// Only those tests whose names contain one of these; all but `first_time::` takes some 75 minutes
    filter: Vec<String>,
}

impl Soak {
    pub fn run(self) -> Result<ExitCode> {
        testbed::check_root().context("the soak starts real nodes: run it as root")?;
        cargo::build_components(&self.versions)?;
        let mut arguments = vec!["--test-threads=64", "--nocapture"];
        match self.filter.is_empty() {
            true => arguments.extend(["next_job::", "hours::", "churn::"]),
            false => arguments.extend(self.filter.iter().map(String::as_str)),
        }
        let testbed = std::env::current_exe().context("finding the running program")?;
        let begun = Stopwatch::start();
        let status = cargo::cluster_tests(&testbed, &self.versions, "soak", &arguments)
            .env("PULLWARDEN_SOAK_PAIRS", self.pairs.to_string())
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
