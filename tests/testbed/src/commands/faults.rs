//! `testbed faults`: the fault registry, a component of the node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use testbed::faults::{Doors, serve};

#[derive(Debug, Args)]
pub struct Faults {
    /// Where to listen; may be said more than once
    #[arg(long, required = true)]
    listen: Vec<SocketAddr>,
    /// Where to listen for HTTPS, and the certificate's path without its ending
    #[arg(long, value_name = "ADDRESS=PATH", value_parser = door)]
    tls: Vec<(SocketAddr, PathBuf)>,
    /// Where to take no connection, and to refuse none
    #[arg(long)]
    deaf: Option<SocketAddr>,
    /// Where to listen as a name server that knows no name
    #[arg(long)]
    names: Option<SocketAddr>,
    /// The real registry
    #[arg(long)]
    upstream: SocketAddr,
}

impl Faults {
    pub fn run(self) -> Result<ExitCode> {
        let doors = Doors {
            plain: self.listen,
            tls: self.tls,
            deaf: self.deaf,
            names: self.names,
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("making the fault registry's runtime")?
            .block_on(serve(&doors, self.upstream))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn door(text: &str) -> Result<(SocketAddr, PathBuf)> {
    let (address, path) = text
        .split_once('=')
        .context("an address, `=` and a path are wanted")?;
    let address = address.parse().context("the address cannot be read")?;
    Ok((address, path.into()))
}
