//! Clients of the usual design: each watches all Pods of the cluster through kube-rs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testbed::Node;

use crate::commands::patience::Patience;

/// Who they are for the API server.
pub const USER: &str = "usual";
/// Longest time for them to list all Pods.
static SEEN: LazyLock<Duration> = LazyLock::new(|| testbed::longest(60));

/// All of them. They end with the value.
#[derive(Debug)]
pub struct Usual {
    all: Vec<Child>,
}

impl Usual {
    /// Starts so many, and waits until each has listed the Pods.
    pub fn start(
        node: &Node,
        program: &Path,
        clients: u32,
        patience: Patience<'_>,
    ) -> Result<Self> {
        let mut usual = Self { all: Vec::new() };
        let mut said: Vec<PathBuf> = Vec::new();
        for index in 0..clients {
            let path = node.dir().join(format!("usual-{index}.log"));
            let log = File::create(&path).with_context(|| format!("making {}", path.display()))?;
            said.push(path);
            let child = node
                .command(program)
                .arg(node.usual_kubeconfig())
                .stdin(Stdio::null())
                .stdout(log)
                .stderr(Stdio::null())
                .spawn();
            usual.all.push(child.context("starting the usual design")?);
        }
        let has_seen = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.len() > 0);
        let all = patience.until("waiting until all have listed the Pods", *SEEN, || {
            said.iter().all(has_seen)
        })?;
        ensure!(all, "some have not listed the Pods");
        Ok(usual)
    }

    /// Their processes.
    pub fn pids(&self) -> Vec<u32> {
        self.all.iter().map(Child::id).collect()
    }
}

impl Drop for Usual {
    fn drop(&mut self) {
        for child in &mut self.all {
            // It may have ended already; then there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
