//! Command line. Exit codes: 0 success, 1 failure, 2 usage, 64 bad configuration.

mod arguments;
mod check;
mod explain;
mod history;
mod printing;
mod replay;
mod run;
mod screen;
mod status;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Command;

use crate::config::Faults;
use crate::text::escaping;

/// Exit code for a configuration with faults.
const BAD_CONFIGURATION: u8 = 64;

/// Runs the command that `arguments` ask for.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Arguments may be file names, which others chose.
            let text = escaping::lines(&error.render().to_string());
            match error.use_stderr() {
                true => printing::to_stderr(&text),
                // Nothing can be done about a standard output that cannot be written to.
                false => _ = printing::print(&text),
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match (runtime, matches.subcommand()) {
        (Err(error), _) => Err(anyhow::Error::new(error).context("starting the async runtime")),
        (Ok(runtime), Some(("run", matches))) => runtime.block_on(run::run(matches)),
        (Ok(runtime), Some(("status", matches))) => runtime.block_on(status::run(matches)),
        (Ok(runtime), Some(("check", matches))) => runtime.block_on(check::run(matches)),
        (Ok(runtime), Some(("explain", matches))) => runtime.block_on(explain::run(matches)),
        (Ok(_), Some(("replay", matches))) => replay::run(matches),
        // clap lets nothing else through.
        (Ok(_), _) => Err(anyhow::anyhow!("no command")),
    };
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    if let Some(faults) = error.downcast_ref::<Faults>() {
        printing::complain_in_lines(&faults.to_string());
        return ExitCode::from(BAD_CONFIGURATION);
    }
    printing::complain(&format!("{error:#}"));
    ExitCode::FAILURE
}

fn command() -> Command {
    Command::new("pullwarden")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "Fails Pods whose images cannot be pulled, so that they stop holding a node's capacity",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run::command())
        .subcommand(check::command())
        .subcommand(status::command())
        .subcommand(explain::command())
        .subcommand(replay::command())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
