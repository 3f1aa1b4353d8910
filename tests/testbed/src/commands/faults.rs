//! `testbed faults`: the fault registry, a component of the node.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

#[derive(Debug, Args)]
pub struct Faults {
    /// Where to listen
    #[arg(long)]
    listen: SocketAddr,
    /// The real registry
    #[arg(long)]
    upstream: SocketAddr,
}

impl Faults {
    pub fn run(self) -> Result<ExitCode> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("making the fault registry's runtime")?
            .block_on(testbed::faults::serve(self.listen, self.upstream))?;
        Ok(ExitCode::SUCCESS)
    }
}
