//! `testbed supply`: what goes into the agent.

mod bill;
mod deny;
mod twice;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::cargo::workspace;

#[derive(Debug, Args)]
pub struct Supply {
    /// Without building the agent twice, which takes longest
    #[arg(long)]
    once: bool,
}

impl Supply {
    pub fn run(self) -> Result<ExitCode> {
        deny::check()?;
        let bill = folder()?.join("pullwarden.cdx.json");
        let components = bill::write(&bill)?;
        println!(
            "bill of materials: {components} packages, {}",
            bill.display()
        );
        if !self.once {
            let digest = twice::build()?;
            println!("built in two folders, the same program: sha256 {digest}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Where all of this works.
fn folder() -> Result<PathBuf> {
    let folder = workspace("target/supply");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}
