//! The flow tests under emulation.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::cross::{self, EMULATOR};
use crate::commands::cargo::workspace;

/// Builds and runs them. The output is in a file of the target folder.
pub fn run() -> Result<String> {
    let (tests, agent) = cross::flow_tests()?;
    cross::emulate(&agent)?;
    let path = workspace("target/arm64-flow.log");
    let log = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    let status = Command::new(EMULATOR)
        .arg(&tests)
        .current_dir(workspace(""))
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("sharing a log")?)
        .stderr(log)
        .status()
        .with_context(|| format!("running {EMULATOR}"))?;
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let result = text.lines().find(|line| line.starts_with("test result: "));
    let result = result.unwrap_or("no result");
    ensure!(
        status.success(),
        "{result} ({status}); see {}",
        path.display()
    );
    Ok(result.trim_start_matches("test result: ").to_owned())
}
