//! `testbed`: brings one real Kubernetes node up and down, for tests, the demo and people.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tells people things"
)]

mod commands;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match commands::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
