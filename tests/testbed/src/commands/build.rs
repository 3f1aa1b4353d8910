//! `testbed build`

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use testbed::{Family, PINNED, Progress};

use super::Versions;

#[derive(Debug, Args)]
pub struct Build {
    #[command(flatten)]
    versions: Versions,
    /// All that is pinned, of every version
    #[arg(long, conflicts_with_all = ["kubernetes", "runtime"])]
    all: bool,
    /// Only these, such as kueue-0.17.0
    #[arg(value_name = "NAME-VERSION", conflicts_with_all = ["all", "kubernetes", "runtime"])]
    only: Vec<String>,
}

impl Build {
    pub fn run(self) -> Result<ExitCode> {
        let families = if self.all {
            PINNED.to_vec()
        } else if self.only.is_empty() {
            testbed::families(&self.versions.kubernetes, self.versions.runtime)?.to_vec()
        } else {
            self.only
                .iter()
                .map(|wanted| named(wanted))
                .collect::<Result<_>>()?
        };
        for family in families {
            let folder = testbed::build(&family, Progress::new(false))?;
            println!("{}", folder.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The pinned family whose folder has this name.
fn named(folder: &str) -> Result<Family> {
    let found = PINNED.iter().find(|family| family.folder() == folder);
    found.copied().with_context(|| {
        let all: Vec<String> = PINNED.iter().map(Family::folder).collect();
        format!("{folder} is not pinned; there are: {}", all.join(", "))
    })
}
