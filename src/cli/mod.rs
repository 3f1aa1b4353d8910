//! Command line. Exit codes: 0 success, 1 failure, 2 usage, 64 bad configuration.

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
use crate::text::escaping;

/// Exit code for a configuration with faults.
const BAD_CONFIGURATION: u8 = 64;

/// Note for everybody who lets the agent write.
const PENDING: &str = "Only Pods in phase Pending are failed. A Pod is Pending until each of its containers has started: \
    if its main container runs while a sidecar's image cannot be pulled, it is failed as a whole, and the main container ends with it.";

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
        .about("Check whether this node has what the agent needs: sockets, versions, folders, permissions")
        .arg(config.clone())
        .args(scalars().map(flag))
        .arg(output(["text", "json"]));
    let status = Command::new("status")
        .about("Show the stuck Pods of this node, their failure counts, and the next steps")
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
                .help("Repeat it every two seconds, until interrupted"),
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
        .about("Replay recorded logs of nodes: which Pods would have been failed, when and why, by the policy in force and by others")
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .action(ArgAction::Append)
                .help("Another policy, as a configuration in YAML; may be given several times. Only the keys that judging uses are read"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FORMAT")
                .value_parser(["table", "json"])
                .default_value("table")
                .help("Output format"),
        )
        .arg(
            Arg::new("files")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .action(ArgAction::Append)
                .required(true)
                .num_args(1..)
                .help("Logs of nodes, rotated files too, under any name: pulls.jsonl, pulls.jsonl.1, …"),
        )
}

fn explain_command(config: Arg) -> Command {
    let clients = ["controlSocket", "logDir"];
    Command::new("explain")
        .about("Explain why a Pod was, or was not, failed; or the cause of an error")
        .arg(
            Arg::new("pod")
                .value_name("NAMESPACE/POD")
                .help("The Pod; the namespace is `default` if none is given"),
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
                .help("Its waiting message; `-` reads many, one JSON string a line, and prints one JSON object a line"),
        )
        .arg(output(["text", "json"]))
        .group(ArgGroup::new("what").args(["pod", "reason", "message"]).multiple(true).required(true))
        .arg(config)
        .args(scalars().filter(move |key| clients.contains(&key.path.as_str())).map(flag))
}

/// Flag for the output format; the first of these is the default.
fn output<const N: usize>(formats: [&'static str; N]) -> Arg {
    Arg::new("output")
        .short('o')
        .long("output")
        .value_name("FORMAT")
        .default_value(formats[0])
        .value_parser(formats)
        .help("Output format")
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

/// Returns the sources of a command's configuration.
fn given(matches: &ArgMatches) -> Given {
    collect(matches, BTreeMap::new())
}

/// Loads the configuration of a command that only asks the agent. It needs no node name.
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
