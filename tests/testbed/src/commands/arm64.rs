//! `cargo soak arm64::`: the program and the flow tests for arm64, under user-mode emulation.

mod cross;
mod flow;
mod node;
mod same;

use std::fmt;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use testbed::Stopwatch;

use self::same::Pair;
use super::Versions;
use super::cargo::{self, Build};

/// The name under which this is asked for.
pub const NAME: &str = "arm64";

/// One part that is over: its name, its seconds, and what it showed or why it failed.
struct Part(&'static str, f64, Result<String>);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name, seconds, shown) = self;
        write!(f, "{name:<24} {seconds:>6.0} s  ")?;
        match shown {
            Ok(shown) => write!(f, "passed  {shown}"),
            Err(error) => write!(f, "FAILED  {error:#}"),
        }
    }
}

/// Runs every part, prints a table, and fails if a part failed.
pub fn run(versions: &Versions) -> Result<ExitCode> {
    testbed::check_root().context("one part starts a real node: run it as root")?;
    cross::check_host()?;
    cargo::build_components(versions)?;
    let native = cargo::build_agent(Build::Debug)?;
    let program = cross::agent()?;
    let what = same::kind(&program)?;
    let pair = Pair {
        native,
        emulated: cross::emulate(&program)?,
    };
    let mut parts = Vec::new();
    let mut part = |name, work: &dyn Fn() -> Result<String>| {
        let begun = Stopwatch::start();
        let shown = work();
        let part = Part(name, begun.elapsed().as_secs_f64(), shown);
        println!("{part}");
        parts.push(part);
    };
    part("--version", &|| pair.version());
    part("check, without a node", &|| pair.check_alone());
    part("replay", &|| pair.replay_recorded());
    part("a real CRI socket", &|| node::run(versions, &pair));
    part("flow tests", &flow::run);

    println!("\nThe program for arm64, a release build: {what}. Emulated by qemu-user.\n");
    for part in &parts {
        println!("{part}");
    }
    Ok(match parts.iter().all(|Part(.., shown)| shown.is_ok()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
