//! `testbed up`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use testbed::{Network, Node, NodeOptions, Stopwatch};

use super::{Name, Versions};

#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    versions: Versions,
    /// IP families of Pods, Services and the node, the first one first: v4, dual, dual-v6 or v6
    #[arg(long, default_value_t)]
    network: Network,
}

impl Up {
    pub fn run(self) -> Result<ExitCode> {
        let begun = Stopwatch::start();
        let name = self.name.name;
        let node = Node::start_detached(NodeOptions {
            name: Some(name.clone()),
            kubernetes: self.versions.kubernetes,
            runtime: self.versions.runtime,
            network: self.network,
            ..NodeOptions::default()
        })?;
        // Only what differs from the default need be said again.
        let option = if name == "main" {
            String::new()
        } else {
            format!(" --name {name}")
        };
        println!(
            "One node is up after {:.1} s: Kubernetes {}, {}, in {}\n\n  \
             testbed kubectl{option} get pods     look at it, change it (kubectl's own arguments)\n  \
             testbed enter{option} -- sh          a shell in its network; registries: {}, with faults: {}\n  \
             testbed down{option}                 end it",
            begun.elapsed().as_secs_f64(),
            node.plan().kubernetes,
            node.plan().runtime.title(),
            node.dir().display(),
            node.registry(),
            node.faulty(),
        );
        Ok(ExitCode::SUCCESS)
    }
}
