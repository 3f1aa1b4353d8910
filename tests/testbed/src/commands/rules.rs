//! `testbed rules`

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use testbed::{Kind, Progress};

use super::cargo::workspace;

/// The rules, and what they must do.
const FOLDER: &str = "deploy/components/monitoring";

#[derive(Debug, Args)]
pub struct Rules;

impl Rules {
    pub fn run(self) -> Result<ExitCode> {
        let folder = testbed::build(&Kind::Promtool.default_family()?, Progress::new(false))?;
        let promtool = folder.join("promtool");
        // promtool knows nothing of Kubernetes: it reads what is in the object.
        let work = workspace("target/rules");
        fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
        let object = read(&workspace(FOLDER).join("rules.yaml"))?;
        let (_, spec) = object
            .split_once("\nspec:\n")
            .context("rules.yaml has no spec")?;
        let rules: Vec<&str> = spec
            .lines()
            .map(|line| line.strip_prefix("  ").unwrap_or(line))
            .collect();
        write(&work.join("rules.yaml"), &rules.join("\n"))?;
        let tests = read(&workspace(FOLDER).join("rules-test.yaml"))?;
        write(&work.join("rules-test.yaml"), &tests)?;
        for (what, file) in [("check", "rules.yaml"), ("test", "rules-test.yaml")] {
            let mut promtool = Command::new(&promtool);
            promtool.args([what, "rules", file]).current_dir(&work);
            let status = promtool.status().context("running promtool")?;
            ensure!(
                status.success(),
                "`promtool {what} rules {file}` failed ({status})"
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
