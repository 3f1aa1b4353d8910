//! The agent, as a process of a node.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;
use testbed::Node;

/// The real agent, in a node's network; its files are in the node's folder. Ends with the value.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    program: PathBuf,
    dir: PathBuf,
}

impl Agent {
    /// Starts it with these lines in its configuration, beside those that say where things are.
    pub fn start(node: &Node, program: &Path, settings: &str) -> Result<Self> {
        let dir = node.dir().join("pullwarden");
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        let config = format!(
            "{settings}nodeName: node1\ncriSocket: {}\nkubeconfig: {}\nstateDir: {dir}/state\n\
             logDir: {dir}/log\ncontrolSocket: {dir}/control.sock\nadminAddress: 127.0.0.1:0\n",
            node.cri_socket().display(),
            node.agent_kubeconfig().display(),
            dir = dir.display(),
        );
        let path = dir.join("config.yaml");
        fs::write(&path, config).with_context(|| format!("writing {}", path.display()))?;
        let path = dir.join("stderr.log");
        let log = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        let child = node
            .command(program)
            .arg("run")
            .arg("--config")
            .arg(dir.join("config.yaml"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self {
            child,
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
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
