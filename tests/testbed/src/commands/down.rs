//! `testbed down`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::Name;

#[derive(Debug, Args)]
pub struct Down {
    #[command(flatten)]
    name: Name,
}

impl Down {
    pub fn run(self) -> Result<ExitCode> {
        self.name.attach()?.shut_down()?;
        println!("The testbed {} is gone.", self.name.name);
        Ok(ExitCode::SUCCESS)
    }
}
