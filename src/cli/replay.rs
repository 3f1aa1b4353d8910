//! `pullwarden replay`: judges recorded logs again and prints each Pod, then the sums.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::arguments;
use super::printing::{Printed, complain};
use super::replay_fleet;
use super::replay_output::{Complaints, Output, unjudged};
use crate::config::{Config, Faults};
use crate::journal::files::{Line, Log};
use crate::journal::read::Record;
use crate::replay::{self, Replay, Section};

pub(super) fn command() -> Command {
    Command::new("replay")
        .about("Replay recorded logs of nodes: which Pods would have been failed, when and why, by the policy in force and by others")
        .after_help(arguments::examples([
            ("The verdicts of a recorded log, by the policy that was in force", "pullwarden replay pulls.jsonl pulls.jsonl.1"),
            ("The same Pods by another policy, on a whole fleet", "pullwarden replay --fleet --config strict.yaml logs/"),
        ]))
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .action(ArgAction::Append)
                .help("Another policy, as a configuration in YAML; may be given several times. Only the keys that judging uses are read"),
        )
        .arg(
            Arg::new("fleet")
                .long("fleet")
                .action(ArgAction::SetTrue)
                .help("Put all nodes on one time line, and give the policies of --config their fleet budget. A FILE may be a folder with logs"),
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

/// Replays the logs. A Pod is printed once the record has no more about it.
pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let files = matches.get_many::<PathBuf>("files");
    let files: Vec<PathBuf> = files.into_iter().flatten().cloned().collect();
    let policies = policies(matches)?;
    let is_fleet = matches.get_flag("fleet");
    let files = match is_fleet {
        true => replay_fleet::logs_in(&files).context("looking for logs")?,
        false => files,
    };
    let json = matches
        .get_one::<String>("output")
        .is_some_and(|output| output == "json");
    let mut well = true;
    let mut out = Output::new(json);
    let mut sums = Vec::new();
    let mut nodes = replay::by_node(sections(&files, &mut well)?);
    if is_fleet {
        let nodes = std::mem::take(&mut nodes);
        let judged = replay_fleet::run(nodes, &policies, &mut out).context("reading the logs")?;
        well &= judged.1;
        sums = judged.0;
        if out.closed()? {
            return Ok(());
        }
    }
    for node in nodes {
        let mut judged = Replay::new(&policies);
        for section in &node {
            well &= read(section, &mut judged, &mut out)
                .with_context(|| format!("reading {}", section.log.path.display()))?;
            if out.closed()? {
                return Ok(());
            }
        }
        if !judged.has_judged() {
            complain(&unjudged(&node[0].node));
            well = false;
            continue;
        }
        judged.end(&mut |row| out.row(&row));
        if judged.unjudged() > 0 {
            let file = node[0].log.path.display();
            let lines = judged.unjudged();
            complain(&format!(
                "{file}: {lines} lines come before any that says what was so then, and are passed over"
            ));
        }
        for text in judged.disagreements() {
            complain(&format!("the verdict differs from the record's: {text}"));
        }
        replay::add_up(&mut sums, &judged);
    }
    if sums.is_empty() {
        bail!("nothing to judge in what was given, see above");
    }
    if out.end(&sums)? == Printed::Read && !well {
        bail!("some of what was given could not be judged, see above");
    }
    Ok(())
}

/// Finds the sections of all files whose node is known. A file without any is a problem, and makes
/// `well` false unless it is empty.
fn sections(files: &[PathBuf], well: &mut bool) -> anyhow::Result<Vec<Section>> {
    let mut sections = Vec::new();
    let mut seen = BTreeSet::new();
    for path in files {
        let reading = || format!("reading {}", path.display());
        // A file that is named twice counts once.
        if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            continue;
        }
        let log = Log::open(path).with_context(reading)?;
        let found = replay::sections_of(&log).with_context(reading)?;
        if found.sections.is_empty() {
            *well &= found.lines == 0;
            let file = path.display();
            complain(&match (found.lines, found.is_log) {
                (0, _) => format!("{file}: is empty"),
                (lines, false) => {
                    format!("{file}: none of its {lines} lines is a line of a node's log")
                }
                (lines, true) => format!(
                    "{file}: none of its {lines} lines is a `start` or `continued`, which say of which node they are: passed over"
                ),
            });
        }
        sections.extend(found.sections);
    }
    Ok(sections)
}

/// Loads the given policies, by the names of their files.
fn policies(matches: &ArgMatches) -> Result<Vec<(String, Config)>, Faults> {
    let mut policies = Vec::new();
    let mut faults = Vec::new();
    for file in matches.get_many::<PathBuf>("config").into_iter().flatten() {
        match Config::to_judge_by(file) {
            Ok(config) => policies.push((file.display().to_string(), config)),
            Err(found) => faults.extend(found.0),
        }
    }
    match faults.is_empty() {
        true => Ok(policies),
        false => Err(Faults(faults)),
    }
}

/// Replays one section. Returns whether all configurations in it could be read.
fn read(section: &Section, node: &mut Replay, out: &mut Output<'_>) -> io::Result<bool> {
    let mut lines = section.log.lines_between(section.from, section.to)?;
    let mut complaints = Complaints::of(section);
    let mut well = true;
    while let Some(Line { number, text }) = lines.next_line()? {
        let Some(text) = text else {
            complaints.tell(number, "is too long for a line, passed over");
            continue;
        };
        match Record::read(text) {
            Ok(record) => {
                if let Err(faults) = node.take(&record, &mut |row| out.row(&row)) {
                    well = false;
                    for fault in faults.0 {
                        complaints.tell(number, &format!("the configuration in force: {fault}"));
                    }
                }
            }
            Err(problem) => complaints.tell(number, &problem.to_string()),
        }
        if out.is_broken() {
            break;
        }
    }
    complaints.end();
    Ok(well)
}
