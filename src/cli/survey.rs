//! `pullwarden survey`: the images that cannot be pulled in a whole cluster.

mod page;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;

use super::arguments;
use super::printing::{pretty, print};
use super::watch::watch;
use crate::clock::Clock;
use crate::config::{Config, Faults};
use crate::evidence::client_of_person;
use crate::survey::{Asked, By, Survey, take};

/// Seconds between two surveys with `--watch`: the usual number, and the fewest.
const PAUSE: &str = "30";
const SHORTEST_PAUSE: u64 = 10;

pub(super) fn command() -> Command {
    let flag = |name, value| Arg::new(name).long(name).value_name(value);
    Command::new("survey")
        .about("Show which images cannot be pulled in the cluster, and what their Pods hold")
        .after_help(arguments::examples([
            ("Every image that cannot be pulled, and what its Pods hold", "pullwarden survey"),
            ("One namespace by registry, again every 30 seconds", "pullwarden survey --namespace team-a --by registry --watch"),
        ]))
        .arg(
            flag("kubeconfig", "FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Credentials [default: as kubectl finds them, or else the Pod's own]"),
        )
        .arg(flag("context", "NAME").help("Context of the kubeconfig [default: the current one]"))
        .arg(
            flag("namespace", "NAME")
                .short('n')
                .value_parser(namespace)
                .help("Only this namespace [default: all]"),
        )
        .arg(
            flag("by", "FIELD")
                .default_value(By::ALL[0].as_str())
                .value_parser(By::ALL.map(By::as_str))
                .help("A row for each of these and each cause"),
        )
        .arg(
            Arg::new("failed")
                .long("failed")
                .action(ArgAction::SetTrue)
                .help("Count the Pods too that pullwarden failed in the last hour (reads all Failed Pods)"),
        )
        .arg(arguments::config().help("The agents' configuration, in YAML [default: the defaults]"))
        .arg(arguments::output(["table", "wide", "json"]))
        .arg(
            flag("watch", "SECONDS")
                .short('w')
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value(PAUSE)
                .value_parser(value_parser!(u64).range(SHORTEST_PAUSE..))
                .help("Repeat it every 30 seconds, or so often (10 or more), until interrupted"),
        )
}

/// Returns a name that can be one of a namespace: it becomes part of a path.
fn namespace(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match !text.is_empty() && text.len() <= 63 && text.bytes().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("not the name of a namespace".to_owned()),
    }
}

/// Takes a survey and prints it; with `--watch` again and again.
pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let path = |name: &str| matches.get_one::<PathBuf>(name).map(PathBuf::as_path);
    let by = By::ALL
        .into_iter()
        .find(|by| Some(by.as_str()) == text("by"));
    let asked = Asked {
        namespace: text("namespace").map(str::to_owned),
        by: by.unwrap_or(By::Image),
        failed: matches.get_flag("failed"),
        policy: config(path("config"))?.policy,
        config: path("config").map(|path| path.display().to_string()),
    };
    let form = text("output").unwrap_or_default();
    let client = client_of_person(path("kubeconfig"), text("context")).await?;
    let clock = Clock::default();
    let ask = async || shown(&take(&client, &asked, &clock).await?, form);
    if let Some(seconds) = matches.get_one::<u64>("watch") {
        return watch(form == "json", Duration::from_secs(*seconds), ask).await;
    }
    print(&ask().await?)?;
    Ok(())
}

fn config(file: Option<&Path>) -> Result<Config, Faults> {
    match file {
        Some(file) => Config::to_judge_by(file),
        None => Config::judged_by(json!({})),
    }
}

fn shown(survey: &Survey, form: &str) -> anyhow::Result<String> {
    Ok(match form {
        "json" => pretty(survey)?,
        "wide" => page::wide(survey),
        _ => page::page(survey),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leaves_the_path_is_no_namespace() {
        assert!(namespace("team-a").is_ok());
        for name in ["", "a/b", "..", "a?x=y", "A", "ä"] {
            assert!(namespace(name).is_err(), "{name}");
        }
    }
}
