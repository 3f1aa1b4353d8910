//! `testbed image`: the image that is shipped, made without Docker.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use testbed::{Image, Kind, Progress};

use super::Name;
use super::cargo::{self, Build};

#[derive(Debug, Args)]
pub struct Make {
    /// Bring it to this running testbed too, where deploy/ finds it
    #[arg(long, value_name = "NAME")]
    import: Option<String>,
    /// Push it under this name, with the credentials that docker keeps for its registry
    #[arg(long, value_name = "REGISTRY/NAME:TAG")]
    push: Option<String>,
    /// Where to write it, as an archive in OCI layout
    #[arg(
        long,
        value_name = "FILE",
        default_value = "target/pullwarden-image.tar"
    )]
    output: PathBuf,
}

impl Make {
    pub fn run(self) -> Result<ExitCode> {
        let program = cargo::build_agent(Build::Static)?;
        let image = Image::of_agent(&program)?;
        let reference = shipped()?;
        let output = cargo::workspace("").join(&self.output);
        write(&output, &image.archive(&reference)?)?;
        println!(
            "{reference}\n{}\n{}",
            image.manifest.digest,
            output.display()
        );
        if let Some(reference) = self.push {
            let crane = testbed::build(&Kind::Crane.default_family()?, Progress::new(false))?;
            let layout = cargo::workspace("target/pullwarden-image");
            let crane = Command::new(crane.join("crane"));
            println!("pushed {}", image.push(&reference, &layout, crane)?);
        }
        if let Some(name) = self.import {
            Name { name: name.clone() }
                .attach()?
                .import(&reference, &image)?;
            println!("imported into the testbed {name}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The name under which the manifests ask for the image.
fn shipped() -> Result<String> {
    let path = cargo::workspace("deploy/base/daemonset.yaml");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let image = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("image: "));
    image
        .map(str::to_owned)
        .with_context(|| format!("{} names no image", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}
