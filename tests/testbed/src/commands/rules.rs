//! `testbed rules`

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::{Value, json};
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
        let dashboard = read(&workspace(FOLDER).join("dashboard.json"))?;
        write(&work.join("queries.yaml"), &queries(&dashboard)?)?;
        for (what, file) in [
            ("check", "rules.yaml"),
            ("check", "queries.yaml"),
            ("test", "rules-test.yaml"),
        ] {
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

/// The dashboard's queries as rules, which is how promtool reads any.
fn queries(dashboard: &str) -> Result<String> {
    let dashboard: Value = serde_json::from_str(dashboard).context("reading the dashboard")?;
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let rules: Vec<Value> = targets
        .filter_map(|target| target["expr"].as_str())
        .enumerate()
        .map(|(n, query)| json!({"record": format!("query:{n}"), "expr": query}))
        .collect();
    ensure!(!rules.is_empty(), "the dashboard has no queries");
    let groups = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    serde_json::to_string(&groups).context("encoding the queries")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
