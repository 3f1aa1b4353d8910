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
}

impl Soak {
    pub fn run(self) -> Result<ExitCode> {
        testbed::check_root().context("the soak starts real nodes: run it as root")?;
        cargo::build_components(&self.versions)?;
        let arguments = ["--test-threads=64", "--nocapture", "next_job::"];
        let testbed = std::env::current_exe().context("finding the running program")?;
        let begun = Stopwatch::start();
        let status = cargo::cluster_tests(&testbed, &self.versions, &arguments)
            .env("PULLWARDEN_SOAK_PAIRS", self.pairs.to_string())
            .status()
            .context("running cargo")?;
        let minutes = begun.elapsed().as_secs_f64() / 60.0;
        let pairs = self.pairs;
        Ok(if status.success() {
            println!(
                "\nNone of the {pairs} queued Jobs was harmed; that took {minutes:.1} minutes."
            );
            ExitCode::SUCCESS
        } else {
            println!("\nThe soak failed after {minutes:.1} minutes; see above.");
            ExitCode::FAILURE
        })
    }
}
