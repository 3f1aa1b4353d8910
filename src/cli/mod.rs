//! The command line. Exit codes: 0, 1 failure, 2 usage, 64 bad configuration.

mod check;
mod explain;
mod history;
mod printing;
mod replay;
mod run;
mod screen;
mod status;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use serde_json::Value;

use crate::config::{Config, Faults, Given, KEYS, Key};
use crate::escaping;

/// The exit code for a configuration with faults.
const BAD_CONFIGURATION: u8 = 64;

/// The answer to a question that somebody who lets the agent write must have asked.
const PENDING: &str = "Only Pods in phase Pending are failed. A Pod is Pending until each of its containers has started: \
    if its main container runs while a sidecar's image cannot be pulled, it is failed as a whole, and the main container ends with it.";

/// Runs the command that `arguments` ask for.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Arguments are file names too, which others chose.
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
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("The configuration, in YAML");
    let run = Command::new("run")
        .about("Run the agent of this node")
        .after_help(PENDING)
        .arg(config.clone())
        .args(scalars().map(flag));
    let check = Command::new("check")
        .about("Look whether the agent would find what it needs on this node: sockets, versions, folders, permissions")
        .arg(config.clone())
        .args(scalars().map(flag))
        .arg(output(["text", "json"]));
    let status = Command::new("status")
        .about("Show which Pods of this node are unsettled, their counts, and what is next")
        .arg(config.clone())
        .args(
            scalars()
                .filter(|key| key.path == "controlSocket")
                .map(flag),
        )
        .arg(output(["table", "wide", "json"]))
        .arg(
            Arg::new("watch")
                .short('w')
                .long("watch")
                .action(ArgAction::SetTrue)
                .help("Show it again every two seconds, until interrupted"),
        );
    let explain = explain_command(config);
    Command::new("pullwarden")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "Fails Pods whose images cannot be pulled, so that they stop holding a node's capacity",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run)
        .subcommand(check)
        .subcommand(status)
        .subcommand(explain)
        .subcommand(replay_command())
}

fn replay_command() -> Command {
    Command::new("replay")
        .about("Judge recorded logs of nodes again: what would have been failed, when and why, by the policy that was in force and by others")
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .action(ArgAction::Append)
                .help("Another policy, as a configuration in YAML; may be given several times. Only what judging goes by is read"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FORMAT")
                .value_parser(["table", "json"])
                .default_value("table")
                .help("How to show it"),
        )
        .arg(
            Arg::new("files")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .action(ArgAction::Append)
                .required(true)
                .num_args(1..)
                .help("Logs of nodes, rotated ones too, under any name: pulls.jsonl, pulls.jsonl.1, …"),
        )
}

fn explain_command(config: Arg) -> Command {
    let clients = ["controlSocket", "logDir"];
    Command::new("explain")
        .about("Tell why a Pod was, or was not, failed; or what the cause of an error is")
        .arg(
            Arg::new("pod")
                .value_name("NAMESPACE/POD")
                .help("The Pod; in the namespace default where none is named"),
        )
        .arg(
            Arg::new("reason")
                .long("reason")
                .value_name("REASON")
                .conflicts_with("pod")
                .help("A container's waiting reason [default: ErrImagePull]"),
        )
        .arg(
            Arg::new("message")
                .long("message")
                .value_name("TEXT")
                .allow_hyphen_values(true)
                .conflicts_with("pod")
                .help("Its waiting message; `-`: many, one JSON string a line, answered by one JSON object a line"),
        )
        .arg(output(["text", "json"]))
        .group(ArgGroup::new("what").args(["pod", "reason", "message"]).multiple(true).required(true))
        .arg(config)
        .args(scalars().filter(move |key| clients.contains(&key.path.as_str())).map(flag))
}

/// How something is shown; the first way where none is asked for.
fn output<const N: usize>(ways: [&'static str; N]) -> Arg {
    Arg::new("output")
        .short('o')
        .long("output")
        .value_name("FORMAT")
        .default_value(ways[0])
        .value_parser(ways)
        .help("How to show it")
}

fn scalars() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(|key| !key.is_list())
}

fn flag(key: &'static Key) -> Arg {
    let default = match &key.default {
        Value::Null => String::new(),
        default => format!(" [default: {}]", default.to_string().trim_matches('"')),
    };
    Arg::new(key.path.as_str())
        .long(key.flag())
        .value_name("VALUE")
        .action(ArgAction::Set)
        .help(format!("{} Takes {}.{default}", key.help, key.takes))
}

/// Where the configuration of a command comes from.
fn given(matches: &ArgMatches) -> Given {
    collect(matches, BTreeMap::new())
}

/// The configuration for a command that only asks the agent: one that lacks the node's name will do.
fn configuration_of_client(matches: &ArgMatches) -> Result<Config, Faults> {
    let flags = BTreeMap::from([
        ("nodeName", "any".to_owned()),
        ("ownPod", "any/any".to_owned()),
    ]);
    collect(matches, flags).load()
}

fn collect(matches: &ArgMatches, mut flags: BTreeMap<&'static str, String>) -> Given {
    for key in scalars() {
        // A command may know only some of the flags.
        if let Ok(Some(value)) = matches.try_get_one::<String>(&key.path) {
            flags.insert(key.path.as_str(), value.clone());
        }
    }
    let file = matches.get_one::<PathBuf>("config");
    Given::new(flags, |name| std::env::var(name).ok(), file.cloned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
