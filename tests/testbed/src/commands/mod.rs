//! The command line: a file for each command.

mod agent;
mod arm64;
mod audit;
mod bench_fleet;
mod bench_node;
mod build;
mod cargo;
mod controllers;
mod corpus;
mod cost;
mod crowd;
mod demo;
mod devices;
mod down;
mod enter;
mod faults;
mod fleet_logs;
mod image;
mod inside;
mod interrupt;
mod kubectl;
mod long_log;
mod patience;
mod picture;
mod process;
mod rules;
mod soak;
mod supply;
mod test;
mod up;
mod vm;

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use testbed::{Kind, Node, NodeOptions, Runtime};

/// One real Kubernetes node for tests and the demo.
#[derive(Debug, Parser)]
#[command(name = "testbed", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Commands,
}

#[derive(Debug, Subcommand)]
enum Commands {
    /// Build what is missing and bring a node up
    Up(up::Up),
    /// End a node and remove all that it left
    Down(down::Down),
    /// Run a command in a node's network
    Enter(enter::Enter),
    /// Run kubectl as the cluster's admin
    Kubectl(enter::Kubectl),
    /// Build the components, start nothing
    Build(build::Build),
    /// Play the main story on a real node: a Job that can never start, and the next one
    Demo(demo::Demo),
    /// Run the tests of every level, those on a real node too
    Test(test::Test),
    /// Queue a hundred Jobs behind stuck ones: none may be refused
    Soak(soak::Soak),
    /// Measure what the agent costs on a quiet node
    Cost(cost::Cost),
    /// Measure the agent beside a floor and beside the usual design, and how soon it acts
    BenchNode(bench_node::BenchNode),
    /// Measure a thousand agents at one API server, on nodes that are not there
    BenchFleet(bench_fleet::BenchFleet),
    /// Write down what real pull errors look like, one Pod for each way to fail
    Corpus(corpus::Corpus),
    /// Make a long log of a node and measure what it takes to replay it
    LongLog(long_log::LongLog),
    /// Make the logs of many nodes and replay them with and without the fleet budget
    FleetLogs(fleet_logs::FleetLogs),
    /// Draw README's picture of a terminal from a run of the demo
    Picture(picture::Picture),
    /// Make the image that is shipped, without Docker
    Image(image::Make),
    /// Try the alerting rules of deploy/
    Rules(rules::Rules),
    /// Check what goes into the agent: licences and sources, a bill of materials, whether it can be built again
    Supply(supply::Supply),
    /// Run a command in a machine of its own, with systemd and the unified cgroup hierarchy
    Vm(vm::Vm),
    /// Keep a node, on the host
    #[command(hide = true)]
    Keep(inside::Inside),
    /// Be a node's first process
    #[command(hide = true)]
    Init(inside::Inside),
    /// Offer devices to the kubelet
    #[command(hide = true)]
    DevicePlugin(devices::Devices),
    /// Serve the fault registry
    #[command(hide = true)]
    Faults(faults::Faults),
}

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Commands::Up(up) => up.run(),
            Commands::Down(down) => down.run(),
            Commands::Enter(enter) => enter.run(),
            Commands::Kubectl(kubectl) => kubectl.run(),
            Commands::Build(build) => build.run(),
            Commands::Demo(demo) => demo.run(),
            Commands::Test(test) => test.run(),
            Commands::Soak(soak) => soak.run(),
            Commands::Cost(cost) => cost.run(),
            Commands::BenchNode(bench) => bench.run(),
            Commands::BenchFleet(bench) => bench.run(),
            Commands::Corpus(corpus) => corpus.run(),
            Commands::LongLog(log) => log.run(),
            Commands::FleetLogs(logs) => logs.run(),
            Commands::Picture(picture) => picture.run(),
            Commands::Image(make) => make.run(),
            Commands::Rules(rules) => rules.run(),
            Commands::Supply(supply) => supply.run(),
            Commands::Vm(vm) => vm.run(),
            Commands::Keep(inside) => inside.keep(),
            Commands::Init(inside) => inside.init(),
            Commands::DevicePlugin(devices) => devices.run(),
            Commands::Faults(faults) => faults.run(),
        }
    }
}

/// Which versions.
#[derive(Clone, Debug, Args)]
struct Versions {
    /// Kubernetes' version, one of those pinned
    #[arg(long, value_name = "VERSION", default_value = Kind::Kubernetes.default_version())]
    kubernetes: String,
    /// The container runtime, and its version if not the default: containerd or crio, one of those pinned
    #[arg(long, value_name = "NAME[:VERSION]", default_value_t)]
    runtime: Runtime,
}

impl Versions {
    /// A node of these versions.
    pub fn node(&self) -> NodeOptions {
        NodeOptions {
            kubernetes: self.kubernetes.clone(),
            runtime: self.runtime,
            ..NodeOptions::default()
        }
    }
}

/// Which node.
#[derive(Debug, Args)]
struct Name {
    /// The testbed's name
    #[arg(long, default_value = "main")]
    name: String,
}

impl Name {
    fn attach(&self) -> Result<Node> {
        Node::attach(&Node::folder(&self.name)?).with_context(|| {
            format!(
                "no testbed named {} is up; `testbed up --name {}` starts one",
                self.name, self.name
            )
        })
    }
}

/// Runs a program to its end and ends as it did: a signal becomes 128 and its number.
fn run_as(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::ExitStatusExt as _;
    let program = command.get_program().to_owned();
    let status = command
        .status()
        .with_context(|| format!("running {}", program.display()))?;
    let code = status
        .code()
        .or(status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
