//! The agent, as a process of a node.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testbed::{Node, tail};

use super::patience::Patience;

/// Who it is for the API server.
pub const USER: &str = "pullwarden";
/// How long it may take to settle all Pods and to close its evidence.
static QUIET: LazyLock<Duration> = LazyLock::new(|| testbed::longest_after(100, 10));

/// The real agent, in a node's network; its files are in the node's folder. Ends with the value.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    program: PathBuf,
    dir: PathBuf,
}

/// Starts the program with the config.yaml of this folder. Its log goes to stderr.log there.
pub fn spawn(node: &Node, program: &Path, dir: &Path) -> Result<Child> {
    let path = dir.join("stderr.log");
    let log = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    node.command(program)
        .arg("run")
        .arg("--config")
        .arg(dir.join("config.yaml"))
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))
}

impl Agent {
    /// Starts it with these lines in its configuration, beside those that say where things are.
    pub fn start(node: &Node, program: &Path, settings: &str) -> Result<Self> {
        Self::named(
            node,
            program,
            "pullwarden",
            &node.agent_kubeconfig(),
            settings,
        )
    }

    /// Starts one whose files are in a folder of that name, with that way to the API server.
    pub fn named(
        node: &Node,
        program: &Path,
        name: &str,
        kubeconfig: &Path,
        settings: &str,
    ) -> Result<Self> {
        let dir = node.dir().join(name);
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        let config = format!(
            "{settings}nodeName: node1\ncriSocket: {}\nkubeletPodsSocket: {}\nkubeconfig: {}\nstateDir: {dir}/state\n\
             logDir: {dir}/log\ncontrolSocket: {dir}/control.sock\nadminAddress: 127.0.0.1:0\n",
            node.cri_socket().display(),
            node.kubelet_pods_socket().display(),
            kubeconfig.display(),
            dir = dir.display(),
        );
        let path = dir.join("config.yaml");
        fs::write(&path, config).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self {
            child: spawn(node, program, &dir)?,
            program: program.to_owned(),
            dir,
        })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("looking after pullwarden")
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.dir.join("config.yaml")
    }

    /// What it says to people.
    pub fn log(&self) -> PathBuf {
        self.dir.join("stderr.log")
    }

    /// What it notes of each Pod, a JSON object a line.
    pub fn node_log(&self) -> PathBuf {
        self.dir.join("log/pulls.jsonl")
    }

    /// What `pullwarden status` says; nothing as long as it does not answer.
    pub fn status(&self) -> Option<Value> {
        let output = Command::new(&self.program)
            .args(["status", "--output=json", "--config"])
            .arg(self.dir.join("config.yaml"))
            .output()
            .ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Polls of the runtime that it has made. Asking costs it a little.
    pub fn looks(&self) -> Result<u64> {
        let status = self.status().context("pullwarden does not answer")?;
        status["polls"]
            .as_u64()
            .context("its status has no number of polls")
    }

    /// Waits until it has settled so many Pods, or more, and has closed its evidence.
    pub fn until_quiet(&self, pods: u16, patience: Patience<'_>) -> Result<()> {
        let quiet = patience.until("waiting until the agent is quiet", *QUIET, || {
            self.status().is_some_and(|status| {
                status["sandboxes"].as_u64() >= Some(pods.into())
                    && status["unsettled"] == 0
                    && status["evidence"] == "closed"
            })
        })?;
        ensure!(
            quiet,
            "the agent does not come to rest: {}; the end of its log:\n{}",
            self.status().unwrap_or_default(),
            tail(&self.log())
        );
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
