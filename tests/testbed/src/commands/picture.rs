//! `testbed picture`: README's picture of a terminal, drawn from what a run of the demo prints.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anstyle_svg::{Term, WIN10_CONSOLE};
use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::cargo;

/// What is in the story's first line, and in the first of what a user sees afterwards.
const BEGIN: &str = "Act one";
const END: &str = "kubectl describe";

#[derive(Debug, Args)]
pub struct Picture {
    /// Where to write it
    #[arg(long, value_name = "FILE", default_value = "docs/demo.svg")]
    output: PathBuf,
}

impl Picture {
    pub fn run(self) -> Result<ExitCode> {
        let program = std::env::current_exe().context("finding the running program")?;
        let mut demo = Command::new(program)
            .arg("demo")
            .env("CLICOLOR_FORCE", "1")
            .env_remove("NO_COLOR")
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the demo")?;
        let stdout = demo.stdout.take().context("the demo has no output")?;
        let mut told = Vec::new();
        for line in BufReader::new(stdout).lines() {
            let line = line.context("reading what the demo prints")?;
            println!("{line}");
            told.push(line);
        }
        let status = demo.wait().context("waiting for the demo")?;
        ensure!(status.success(), "the demo failed ({status})");

        let story = told
            .iter()
            .skip_while(|line| !line.contains(BEGIN))
            .take_while(|line| !line.contains(END));
        let story: Vec<&str> = story.map(String::as_str).collect();
        ensure!(!story.is_empty(), "the demo told no story");
        let text = format!("$ cargo demo\n\n{}", story.join("\n"));
        let picture = Term::new()
            .palette(WIN10_CONSOLE)
            .render_svg(text.trim_end());
        let output = cargo::workspace("").join(&self.output);
        fs::write(&output, picture).with_context(|| format!("writing {}", output.display()))?;
        println!("{}", output.display());
        Ok(ExitCode::SUCCESS)
    }
}
