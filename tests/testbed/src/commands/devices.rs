//! `testbed device-plugin`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

#[derive(Debug, Args)]
pub struct Devices {
    /// The kubelet's folder for device plugins
    #[arg(long)]
    folder: PathBuf,
    /// The resource's name, as Pods ask for it
    #[arg(long)]
    resource: String,
    /// How many there are
    #[arg(long)]
    count: usize,
}

impl Devices {
    pub fn run(self) -> Result<ExitCode> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("making the device plugin's runtime")?
            .block_on(testbed::device_plugin::run(
                &self.folder,
                &self.resource,
                self.count,
            ))?;
        Ok(ExitCode::SUCCESS)
    }
}
