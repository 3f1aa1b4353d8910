//! Cargo, as the commands run it: the one that runs them, in the workspace of this crate.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use testbed::Progress;

use super::Versions;

/// A file of the workspace.
pub fn workspace(file: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root).join(file)
}

/// Cargo, in the workspace.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace("")).stdin(Stdio::null());
    cargo
}

/// Builds the components that a node of these versions needs, where they are missing.
pub fn build_components(versions: &Versions) -> Result<()> {
    for family in testbed::families(&versions.kubernetes, &versions.containerd)? {
        testbed::build(&family, Progress::new(false))?;
    }
    Ok(())
}

/// The tests on a real node, with arguments for them. `testbed` is this program.
pub fn cluster_tests(testbed: &Path, versions: &Versions, arguments: &[&str]) -> Command {
    let mut cargo = cargo();
    cargo
        .args(["test", "--package=pullwarden", "--features=real-node"])
        .args(["--test=cluster", "--"])
        .args(arguments)
        .env("TESTBED_BIN", testbed)
        .env("TESTBED_KUBERNETES", &versions.kubernetes)
        .env("TESTBED_CONTAINERD", &versions.containerd);
    cargo
}

/// Builds the agent and says where it is.
pub fn build_agent(release: bool) -> Result<PathBuf> {
    let what = match release {
        true => "building pullwarden (release)",
        false => "building pullwarden",
    };
    Progress::new(false).step(what, || {
        let mut cargo = cargo();
        cargo
            .args(["build", "--quiet", "--package=pullwarden"])
            .arg("--message-format=json-render-diagnostics")
            .args(release.then_some("--release"))
            .stdout(Stdio::piped());
        let mut child = cargo.spawn().context("running cargo")?;
        let stdout = child.stdout.take().context("cargo has no output")?;
        let mut agent = None;
        for line in BufReader::new(stdout).lines() {
            let line = line.context("reading what cargo says")?;
            agent = agent.or(executable(&line));
        }
        let status = child.wait().context("waiting for cargo")?;
        if !status.success() {
            bail!("`cargo build --package=pullwarden` failed ({status})");
        }
        agent.context("cargo named no program `pullwarden`")
    })
}

/// The agent's program, if this line of cargo's names it.
fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    (message["target"]["name"] == "pullwarden")
        .then(|| message["executable"].as_str().map(PathBuf::from))?
}
