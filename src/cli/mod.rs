//! Command line.

mod arguments;
mod check;
mod clean;
mod completions;
mod explain;
mod history;
mod man;
mod printing;
mod replay;
mod replay_fleet;
mod replay_output;
mod replay_text;
mod run;
mod screen;
mod status;
mod survey;
mod watch;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Command;

use crate::config::Faults;
use crate::text::escaping;

/// Exit code for wrong arguments, as clap has it.
const WRONG_ARGUMENTS: u8 = 2;

/// Exit code for a configuration with faults.
const BAD_CONFIGURATION: u8 = 64;

/// All exit codes, with their meaning.
const EXIT_CODES: [(u8, &str); 4] = [
    (0, "success"),
    (
        1,
        "failure; `check` found a fault; `replay` could not judge something",
    ),
    (WRONG_ARGUMENTS, "wrong arguments"),
    (BAD_CONFIGURATION, "the configuration has faults"),
];

/// Name of the program as a plugin of kubectl, and the words that start it.
const PLUGIN: &str = "kubectl-pullwarden";
const AS_PLUGIN: &str = "kubectl pullwarden";

/// Runs the command that `arguments` ask for.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_plugin = arguments.first().is_some_and(is_plugin);
    let command = match is_plugin {
        true => command().bin_name(AS_PLUGIN),
        false => command(),
    };
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Arguments may be file names, which others chose.
            let text = escaping::lines(&error.render().to_string());
            match error.use_stderr() {
                true => printing::to_stderr(&text),
                // Nothing can be done about a standard output that cannot be written to.
                false => _ = printing::print(&text),
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG_ARGUMENTS));
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
        (Ok(runtime), Some(("survey", matches))) => runtime.block_on(survey::run(matches)),
        (Ok(_), Some(("replay", matches))) => replay::run(matches),
        (Ok(runtime), Some(("clean", matches))) => runtime.block_on(clean::run(matches)),
        (Ok(_), Some(("completions", matches))) => completions::run(matches, self::command()),
        (Ok(_), Some(("man", matches))) => man::run(matches, self::command()),
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

/// Returns true if kubectl has started the program as its plugin.
fn is_plugin(program: &OsString) -> bool {
    let stem = Path::new(program).file_stem();
    stem.is_some_and(|stem| stem == PLUGIN)
}

fn command() -> Command {
    Command::new("pullwarden")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "Fails Pods whose images cannot be pulled, so that they stop holding a node's capacity",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(arguments::exit_codes(&EXIT_CODES))
        .subcommand(run::command())
        .subcommand(check::command())
        .subcommand(status::command())
        .subcommand(explain::command())
        .subcommand(replay::command())
        .subcommand(survey::command())
        .subcommand(clean::command())
        .subcommand(completions::command())
        .subcommand(man::command())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }

    #[test]
    fn the_help_of_each_command_ends_with_two_examples_that_parse() {
        for command in super::command().get_subcommands() {
            let name = command.get_name();
            let help = command.clone().render_help().to_string();
            let (_, examples) = help.rsplit_once("\nExamples:\n").unwrap_or_default();
            let lines: Vec<&str> = examples.lines().collect();
            let [first, one, second, two] = lines[..] else {
                panic!("{name} has not two examples:\n{help}");
            };
            assert!(first.starts_with("  # ") && second.starts_with("  # "));
            assert_ne!(one, two);
            for example in [one, two] {
                let words = example.split_whitespace();
                let matches = super::command().try_get_matches_from(words).unwrap();
                assert_eq!(matches.subcommand_name(), Some(name), "{example}");
            }
        }
    }
}
