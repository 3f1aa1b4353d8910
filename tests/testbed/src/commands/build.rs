//! `testbed build`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use testbed::{PINNED, Progress};

use super::Versions;

#[derive(Debug, Args)]
pub struct Build {
    #[command(flatten)]
    versions: Versions,
    /// All that is pinned, of every version
    #[arg(long, conflicts_with_all = ["kubernetes", "containerd"])]
    all: bool,
}

impl Build {
    pub fn run(self) -> Result<ExitCode> {
        let families = match self.all {
            true => PINNED.to_vec(),
            false => {
                testbed::families(&self.versions.kubernetes, &self.versions.containerd)?.to_vec()
            }
        };
        for family in families {
            let folder = testbed::build(&family, Progress::new(false))?;
            println!("{}", folder.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}
