//! `testbed picture`: README's two pictures of a terminal, drawn from what a run of the demo prints.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anstyle::RgbColor;
use anstyle_svg::{Term, WIN10_CONSOLE};
use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::cargo;

/// What is in the story's first line, and in the first of what a user sees afterwards.
const BEGIN: &str = "Act one";
const END: &str = "kubectl describe";

/// Colours of the text and of the ground in the light picture.
const INK: RgbColor = RgbColor(0x1f, 0x23, 0x28);
const PAPER: RgbColor = RgbColor(0xff, 0xff, 0xff);

#[derive(Debug, Args)]
pub struct Picture {
    /// Folder for `demo.svg`, and for `demo-light.svg` on a light ground
    #[arg(long, value_name = "FOLDER", default_value = "docs")]
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
        let dark = Term::new().palette(WIN10_CONSOLE);
        let light = dark.fg_color(INK.into()).bg_color(PAPER.into());
        for (name, term) in [("demo.svg", dark), ("demo-light.svg", light)] {
            let output = cargo::workspace("").join(&self.output).join(name);
            fs::write(&output, term.render_svg(text.trim_end()))
                .with_context(|| format!("writing {}", output.display()))?;
            println!("{}", output.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}
