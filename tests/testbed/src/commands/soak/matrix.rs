//! `cargo soak matrix::`: the failures that an agent counts for each fault, on each container runtime.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use testbed::{COUNTED, Runtime};

use super::super::Versions;
use super::super::cargo;

/// Name under which it is asked for.
pub const NAME: &str = "matrix::";

/// The test that counts.
const TEST: &str =
    "matrix::no_more_failures_are_counted_than_pulls_were_made_and_healed_images_run";

/// Runs the test on each runtime that has a corpus of errors, and writes the counts into
/// tests/data/counted. docs/faults.md is made of both.
pub fn run(kubernetes: &str) -> Result<ExitCode> {
    let testbed = std::env::current_exe().context("finding the running program")?;
    let mut lines = Vec::new();
    let mut is_well = true;
    for runtime in Runtime::all() {
        let file = |folder: &str| {
            let runtime = runtime.family().folder();
            cargo::workspace(&format!("tests/data/{folder}/{runtime}.jsonl"))
        };
        if !file("pull-errors").exists() {
            continue;
        }
        let title = runtime.title();
        println!("\n── {title}");
        let versions = Versions {
            kubernetes: kubernetes.to_owned(),
            runtime,
        };
        cargo::build_components(&versions)?;
        let arguments = [TEST, "--exact", "--nocapture"];
        let status = cargo::cluster_tests(&testbed, &versions, "real-node", &arguments)
            .env(COUNTED, file("counted"))
            .status()
            .context("running cargo")?;
        is_well &= status.success();
        let how = if status.success() { "passed" } else { "FAILED" };
        lines.push(format!("{title:<20} {how}"));
    }
    println!("\n{}", lines.join("\n"));
    println!("`DOCS=write cargo test --test flow faults` writes docs/faults.md.");
    Ok(match is_well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
