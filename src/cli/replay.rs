//! `pullwarden replay`: judges recorded logs again and prints each Pod, then the sums.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

use super::printing::{Printed, complain, outcome};
use super::screen::second;
use crate::config::{Config, Faults};
use crate::journal::read::Record;
use crate::replay::{self, Decision, Fate, Finding, Line, Log, Replay, Row, Section, Tally};
use crate::text::Shown;
use crate::text::escaping;

/// Bad lines of one file that are named one by one.
const NAMED: u64 = 20;

pub(super) fn command() -> Command {
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

/// Replays the logs. A Pod is printed once the record has no more about it.
pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let files = matches.get_many::<PathBuf>("files");
    let files: Vec<PathBuf> = files.into_iter().flatten().cloned().collect();
    let policies = policies(matches)?;
    let json = matches
        .get_one::<String>("output")
        .is_some_and(|output| output == "json");
    let mut well = true;
    let mut out = Output::new(json);
    let mut sums = Vec::new();
    for node in replay::by_node(sections(&files, &mut well)?) {
        let mut judged = Replay::new(&policies);
        for section in &node {
            well &= read(section, &mut judged, &mut out)
                .with_context(|| format!("reading {}", section.log.path.display()))?;
            if out.closed()? {
                return Ok(());
            }
        }
        if !judged.has_judged() {
            let name = &node[0].node;
            complain(&format!(
                "nothing of node {name} was judged: no configuration that was in force can be read"
            ));
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

/// Problems with the lines of one section.
struct Complaints<'a> {
    file: &'a Path,
    count: u64,
}

impl Complaints<'_> {
    fn tell(&mut self, number: u64, what: &str) {
        self.count += 1;
        if self.count <= NAMED {
            complain(&format!("{}:{number}: {what}", self.file.display()));
        }
    }

    fn end(self) {
        if self.count > NAMED {
            let more = self.count - NAMED;
            complain(&format!(
                "{}: {more} more lines cannot be used",
                self.file.display()
            ));
        }
    }
}

/// Replays one section. Returns whether all configurations in it could be read.
fn read(section: &Section, node: &mut Replay, out: &mut Output<'_>) -> io::Result<bool> {
    let mut lines = section.log.lines_between(section.from, section.to)?;
    let mut complaints = Complaints {
        file: &section.log.path,
        count: 0,
    };
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
        if out.fault.is_some() {
            break;
        }
    }
    complaints.end();
    Ok(well)
}

/// Standard output, which is written while the logs are read.
struct Output<'a> {
    out: BufWriter<io::StdoutLock<'a>>,
    json: bool,
    rows: u64,
    fault: Option<io::Error>,
}

impl Output<'_> {
    fn new(json: bool) -> Self {
        Self {
            out: BufWriter::new(io::stdout().lock()),
            json,
            rows: 0,
            fault: None,
        }
    }

    fn put(&mut self, text: &str) {
        if let Err(fault) = self.out.write_all(text.as_bytes()) {
            self.fault.get_or_insert(fault);
        }
    }

    /// Returns whether the reader has gone.
    fn closed(&mut self) -> anyhow::Result<bool> {
        let written = self.fault.take().map_or(Ok(()), Err);
        Ok(outcome(written)? == Printed::Closed)
    }

    fn row(&mut self, row: &Row) {
        let text = match self.json {
            true => {
                let before = if self.rows == 0 { BEGIN } else { ",\n" };
                before.to_owned() + &escaping::json(&json!(row).to_string())
            }
            false => entry(row),
        };
        self.rows += 1;
        self.put(&text);
    }

    fn end(&mut self, sums: &[Tally]) -> anyhow::Result<Printed> {
        let text = match self.json {
            true => {
                let begin = if self.rows == 0 { BEGIN } else { "" };
                let sums = json!(sums).to_string();
                format!("{begin}\n],\"summary\":{}}}\n", escaping::json(&sums))
            }
            false => summary(sums),
        };
        self.put(&text);
        let fault = self.fault.take();
        outcome(fault.map_or_else(|| self.out.flush(), Err))
    }
}

/// Beginning of the JSON object, written once there is something to judge.
const BEGIN: &str = "{\"pods\":[\n";

fn entry(row: &Row) -> String {
    let mut out = String::new();
    let differs = if row.differs {
        "  the policies differ"
    } else {
        ""
    };
    // Writing into a String cannot fail, here and below.
    let _ = writeln!(
        out,
        "{}/{}  on {}  {}{differs}",
        Shown(&row.namespace),
        Shown(&row.pod),
        Shown(&row.node),
        row.fate.as_str(),
    );
    let names = row.policies.iter().map(|f| Shown(&f.policy).to_string());
    let names: Vec<String> = names.collect();
    let width = names.iter().map(|name| name.chars().count()).max();
    for (finding, name) in row.policies.iter().zip(names) {
        let width = width.unwrap_or(0);
        let _ = writeln!(out, "  {name:<width$}  {}", what(finding, row));
    }
    out.push('\n');
    out
}

fn what(finding: &Finding, row: &Row) -> String {
    let mut out = finding.decision.as_str().replace('-', " ");
    if let Some(time) = finding.time {
        let _ = write!(out, "  {}", second(time));
    }
    if let (Some(image), Some(cause)) = (&finding.image, finding.cause) {
        let lasting = Duration::from_secs(finding.lasting.unwrap_or(0));
        let lasting = humantime::format_duration(lasting);
        let failures = match finding.failures {
            None | Some(0) => String::new(),
            Some(1) => "1 failure in ".to_owned(),
            Some(many) => format!("{many} failures in "),
        };
        let _ = write!(out, "  {}  {cause}, {failures}{lasting}", Shown(image));
    }
    match (finding.wrong, finding.healed) {
        (Some(true), Some(at)) => {
            let _ = write!(out, "  WRONG: its image was pulled at {}", second(at));
        }
        (Some(true), None) => {
            let _ = write!(out, "  WRONG: it started at {}", second(row.until));
        }
        (Some(false), Some(at)) => {
            let _ = write!(out, "  its image was pulled at {}", second(at));
        }
        _ => {}
    }
    for (brake, since) in &finding.held {
        let _ = write!(out, "  held by {brake} from {}", second(*since));
    }
    for (why, since) in &finding.spared {
        let _ = write!(out, "  spared at {}: {}", second(*since), Shown(why));
    }
    if finding.decision == Decision::Waited && row.fate == Fate::Failed {
        out.push_str("  the record ends here");
    }
    out
}

fn summary(sums: &[Tally]) -> String {
    let mut out = String::new();
    let names = sums.iter().map(|sum| Shown(&sum.policy).to_string());
    let names: Vec<String> = names.collect();
    let width = names.iter().map(|name| name.chars().count().max(10) + 2);
    let widths: Vec<usize> = width.collect();
    let mut line = |head: &str, cells: Vec<String>| {
        let _ = write!(out, "{head:<38}");
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(out, "{cell:>width$}");
        }
        out.push('\n');
    };
    line("", names);
    type Count = fn(&Tally) -> u64;
    let counts: [(&str, Count); 11] = [
        ("Pods with failed pulls", |sum| sum.pods),
        ("failed pulls", |sum| sum.failures),
        ("failed", |sum| sum.failed),
        ("would fail (observing)", |sum| sum.would_fail),
        ("  of both: WRONG, started after all", |sum| sum.wrong),
        ("  of both: not recorded whether", |sum| sum.unknown),
        ("spared", |sum| sum.spared),
        ("held to the end", |sum| sum.held),
        ("write not made", |sum| sum.not_written),
        ("waited for", |sum| sum.waited),
        ("verdicts that differ from the record", |sum| sum.disagreed),
    ];
    for (head, count) in counts {
        line(
            head,
            sums.iter().map(|sum| count(sum).to_string()).collect(),
        );
    }
    let brakes = sums.iter().flat_map(|sum| sum.brakes.keys());
    let mut brakes: Vec<&str> = brakes.copied().collect();
    brakes.sort_unstable();
    brakes.dedup();
    for brake in brakes {
        let count = |sum: &Tally| sum.brakes.get(brake).copied().unwrap_or(0).to_string();
        line(
            &format!("held for a while by {brake}"),
            sums.iter().map(count).collect(),
        );
    }
    out
}
