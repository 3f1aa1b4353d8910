//! `testbed bench-fleet`: a real API server and many real agents, on nodes that are not there.

mod agents;
mod api;
mod asked;
mod cluster;
mod compared;
mod nodes;
mod restart;
mod scenes;
mod table;
mod usual;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testbed::{Component, Node};

use self::cluster::Cluster;
use self::scenes::Scenes;
use super::Versions;
use super::cargo::{self, Build};
use super::interrupt::Interrupt;
use super::patience::Patience;

/// Files that are open for each agent: sockets of its node, and the connections to them.
const FILES: u64 = 8;
/// Files that are open whatever the number of agents is.
const OTHER_FILES: u64 = 512;

#[derive(Debug, Args)]
pub struct BenchFleet {
    #[command(flatten)]
    versions: Versions,
    /// Agents, each on a node of its own
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(40..=2000))]
    agents: u32,
    /// Clients of the usual design that are compared with them
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=200))]
    usual: u32,
    /// Nodes of each hundred whose kubelet has a socket of its own
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(..=100))]
    sockets: u32,
    /// Minutes for which the healthy cluster is watched
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    minutes: u32,
}

impl BenchFleet {
    /// A small one, for `testbed soak`.
    pub fn small(versions: Versions) -> Self {
        Self {
            versions,
            agents: 60,
            usual: 5,
            sockets: 50,
            minutes: 1,
        }
    }

    pub fn run(self) -> Result<ExitCode> {
        testbed::check_root()
            .context("the measurement starts a real API server: run it as root")?;
        allow_files(u64::from(self.agents) * FILES + OTHER_FILES)?;
        let agent = cargo::build_agent(Build::Release)?;
        let mut yardsticks = cargo::build("yardsticks", Build::Release)?;
        let usual = yardsticks
            .remove("usual")
            .context("cargo built no `usual`")?;
        let node = Node::start(self.versions.node())?;
        let interrupt = Interrupt::watch()?;
        let patience = Patience::new(&interrupt);
        let measured = Cluster::prepare(&node, &self, patience).and_then(|cluster| {
            let scenes = Scenes {
                cluster: &cluster,
                node: &node,
                patience,
                programs: [agent, usual],
                sizes: &self,
            };
            scenes.play()
        });
        drop(node);
        interrupt.conclude(measured)
    }
}

/// Lets this process have so many files open.
fn allow_files(files: u64) -> Result<()> {
    let now = getrlimit(Resource::Nofile);
    let maximum = now.maximum.map_or(files, |most| most.max(files));
    if now.current.is_some_and(|current| current < files) {
        let limit = Rlimit {
            current: Some(files),
            maximum: Some(maximum),
        };
        setrlimit(Resource::Nofile, limit)
            .with_context(|| format!("raising the limit of open files to {files} (ulimit -n)"))?;
        println!("The limit of open files was raised to {files}.");
    }
    Ok(())
}

/// The API server's process. It is in the node's own PID namespace, and /proc here shows it too.
fn apiserver(node: &Node) -> Result<u32> {
    let folder = node.dir().display().to_string();
    let processes = fs::read_dir("/proc").context("reading /proc")?;
    let pids = processes
        .flatten()
        .filter_map(|process| process.file_name().to_str()?.parse().ok());
    let mut found = pids.filter(|pid: &u32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let program = line.split('\0').next().unwrap_or_default();
        program.ends_with(Component::Apiserver.name()) && line.contains(&folder)
    });
    found.next().context("there is no API server")
}

/// Time on a CPU of the API server since it was started, in seconds, its ended threads too.
fn cpu_of_apiserver(node: &Node) -> Result<f64> {
    let path = format!("/proc/{}/stat", apiserver(node)?);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let fields = text.rsplit(") ").next().unwrap_or_default();
    // utime and stime, in hundredths of a second.
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
    let ticks = ticks
        .sum::<Result<f64, _>>()
        .with_context(|| format!("decoding {path}"))?;
    Ok(ticks / 100.0)
}
