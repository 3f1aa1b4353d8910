//! `testbed keep` and `testbed init`: what the library starts.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

#[derive(Debug, Args)]
pub struct Inside {
    /// The node's folder
    dir: PathBuf,
    /// End the node when standard input ends
    #[arg(long)]
    lifeline: bool,
}

impl Inside {
    pub fn keep(self) -> Result<ExitCode> {
        testbed::keeper::run(&self.dir, self.lifeline)?;
        Ok(ExitCode::SUCCESS)
    }

    pub fn init(self) -> Result<ExitCode> {
        testbed::init::run(&self.dir, self.lifeline)?;
        Ok(ExitCode::SUCCESS)
    }
}
