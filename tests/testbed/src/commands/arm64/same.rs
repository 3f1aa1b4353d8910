//! The same question to the program of this machine and to the emulated one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};
use testbed::Node;

use crate::commands::cargo::workspace;

/// The machine in an ELF header, and arm64's number.
const MACHINE: usize = 18;
const ARM64: u8 = 183;

/// Two builds of one program.
pub struct Pair {
    /// For this machine.
    pub native: PathBuf,
    /// For arm64: the script that runs it.
    pub emulated: PathBuf,
}

/// The size and the digest of a program, which must be one for arm64.
pub fn kind(program: &Path) -> Result<String> {
    let bytes = fs::read(program).with_context(|| format!("reading {}", program.display()))?;
    ensure!(
        bytes.starts_with(b"\x7fELF") && bytes.get(MACHINE) == Some(&ARM64),
        "{} is no program for arm64",
        program.display()
    );
    let digest = Sha256::digest(&bytes);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{} bytes, sha256 {digest}", bytes.len()))
}

impl Pair {
    /// Runs both with these arguments, in the network of a node if there is one. Both must end alike
    /// and print the same. Returns that.
    pub fn ask(&self, node: Option<&Node>, arguments: &[OsString]) -> Result<Output> {
        let run = |program: &Path| {
            let mut command = match node {
                Some(node) => node.command(program),
                None => Command::new(program),
            };
            command.args(arguments).stdin(Stdio::null());
            let output = command.output();
            output.with_context(|| format!("running {}", program.display()))
        };
        let (native, emulated) = (run(&self.native)?, run(&self.emulated)?);
        ensure!(
            native == emulated,
            "the two differ for {arguments:?}:\n  here: {native:?}\n  emulated: {emulated:?}"
        );
        Ok(emulated)
    }

    /// The version.
    pub fn version(&self) -> Result<String> {
        let answer = self.ask(None, &["--version".into()])?;
        ensure!(answer.status.success(), "it failed: {answer:?}");
        Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    }

    /// `check` where there is nothing that an agent needs.
    pub fn check_alone(&self) -> Result<String> {
        let nowhere = std::env::temp_dir().join("pullwarden-arm64-nowhere");
        let mut arguments: Vec<OsString> = ["check", "--node-name", "node1"].map(Into::into).into();
        for flag in [
            "--cri-socket",
            "--kubelet-pods-socket",
            "--kubeconfig",
            "--state-dir",
            "--log-dir",
            "--control-socket",
        ] {
            arguments.extend([flag.into(), nowhere.join("none").into()]);
        }
        arguments.extend(["--admin-address".into(), "127.0.0.1:0".into()]);
        let answer = self.ask(None, &arguments)?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        ensure!(
            !answer.status.success() && text.contains("fault    runtime"),
            "it finds no fault: {answer:?}"
        );
        Ok(format!(
            "{} lines, {}, as here",
            text.lines().count(),
            answer.status
        ))
    }

    /// `replay` of the recorded journals, as text and as JSON.
    pub fn replay_recorded(&self) -> Result<String> {
        let dir = workspace("tests/data/journals");
        let entries = fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))?;
        let files = entries.map(|entry| Ok(entry?.path().into_os_string()));
        let mut files = files.collect::<Result<Vec<OsString>>>()?;
        files.sort();
        for file in &files {
            self.replay(Path::new(file))?;
        }
        Ok(format!("{} journals, byte for byte as here", files.len()))
    }

    /// `replay` of one journal, as text and as JSON. Returns the JSON.
    pub fn replay(&self, journal: &Path) -> Result<serde_json::Value> {
        let mut answer = Vec::new();
        for format in ["text", "json"] {
            let arguments = ["replay".into(), "-o".into(), format.into(), journal.into()];
            let output = self.ask(None, &arguments)?;
            ensure!(output.status.success(), "it failed: {output:?}");
            answer = output.stdout;
        }
        serde_json::from_slice(&answer).context("reading what replay says")
    }
}
