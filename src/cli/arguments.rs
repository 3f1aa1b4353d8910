//! Arguments that several commands take, and the configuration that they give.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches};
use serde_json::Value;

use crate::config::{Config, Faults, Given, KEYS, Key};

/// Flag for the configuration's file.
pub(super) fn config() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("The configuration, in YAML")
}

/// Flags of all keys.
pub(super) fn keys() -> impl Iterator<Item = Arg> {
    scalars().map(flag)
}

/// Flags of these keys.
pub(super) fn keys_of(paths: &'static [&'static str]) -> impl Iterator<Item = Arg> {
    let of = |key: &&Key| paths.contains(&key.path.as_str());
    scalars().filter(of).map(flag)
}

/// Flag for the output format; the first of these is the default.
pub(super) fn output<const N: usize>(formats: [&'static str; N]) -> Arg {
    Arg::new("output")
        .short('o')
        .long("output")
        .value_name("FORMAT")
        .default_value(formats[0])
        .value_parser(formats)
        .help("Output format")
}

/// Returns the end of a command's help: two examples, each with its purpose.
pub(super) fn examples(examples: [(&str, &str); 2]) -> String {
    let lines = examples.map(|(purpose, example)| format!("  # {purpose}\n  {example}"));
    format!("Examples:\n{}", lines.join("\n"))
}

/// Returns the end of the program's help: the exit codes, each with its meaning.
pub(super) fn exit_codes(codes: &[(u8, &str)]) -> String {
    let line = |(code, meaning): &(u8, &str)| format!("\n  {code:<2}  {meaning}");
    let lines: String = codes.iter().map(line).collect();
    format!("Exit codes:{lines}")
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
pub(super) fn given(matches: &ArgMatches) -> Given {
    collect(matches, BTreeMap::new())
}

/// Loads the configuration of a command that only asks the agent. It needs no node name.
pub(super) fn configuration_of_client(matches: &ArgMatches) -> Result<Config, Faults> {
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
