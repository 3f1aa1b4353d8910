use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::ArgMatches;
use serde_json::json;

use crate::config::{Config, Faults};
use crate::judge::Shown;
use crate::replay::{self, Decision, Fate, Finding, Line, Lines, Record, Replay, Row, Tally};

/// `pullwarden replay`: the judge over recorded logs. Each Pod is told of when the record tells no more of it, then the sums.
pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let files = matches.get_many::<PathBuf>("files");
    let files: Vec<PathBuf> = files.into_iter().flatten().cloned().collect();
    let policies = policies(matches)?;
    let json = matches
        .get_one::<String>("output")
        .is_some_and(|output| output == "json");
    let mut out = Output {
        out: BufWriter::new(io::stdout().lock()),
        json,
        rows: 0,
        fault: None,
    };
    out.begin();
    let mut sums = Vec::new();
    for group in replay::in_order(&files) {
        let mut node = Replay::new(&policies);
        for file in &group {
            read(file, &mut node, &mut out)
                .with_context(|| format!("reading {}", file.display()))?;
        }
        node.end(&mut |row| out.row(&row));
        if node.unjudged() > 0 {
            let name = group[0].display();
            let lines = node.unjudged();
            super::complain(format!(
                "{name}: {lines} lines come before any that says what was so then, and are passed over"
            ));
        }
        for text in node.disagreements() {
            super::complain(format!("another verdict than the record's: {text}"));
        }
        replay::add_up(&mut sums, &node);
    }
    out.end(&sums)?;
    Ok(())
}

/// The policies that were given, by the names of their files.
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

fn read(file: &Path, node: &mut Replay, out: &mut Output<'_>) -> io::Result<()> {
    let mut lines = Lines::of(file)?;
    let tell = |number: u64, what: String| {
        super::complain(format!("{}:{number}: {what}", file.display()));
    };
    while let Some(Line { number, text }) = lines.next_line()? {
        let Some(text) = text else {
            tell(number, "is too long for a line, passed over".to_owned());
            continue;
        };
        match Record::read(text) {
            Ok(record) => {
                if let Err(faults) = node.take(&record, &mut |row| out.row(&row)) {
                    tell(number, faults.to_string());
                }
            }
            Err(problem) => tell(number, format!("{problem}")),
        }
        if let Some(fault) = out.fault.take() {
            return Err(fault);
        }
    }
    Ok(())
}

/// Standard output, written to while the logs are read.
struct Output<'a> {
    out: BufWriter<io::StdoutLock<'a>>,
    json: bool,
    rows: u64,
    fault: Option<io::Error>,
}

impl Output<'_> {
    fn put(&mut self, text: &str) {
        if let Err(fault) = self.out.write_all(text.as_bytes()) {
            self.fault.get_or_insert(fault);
        }
    }

    fn begin(&mut self) {
        if self.json {
            self.put("{\"pods\":[");
        }
    }

    fn row(&mut self, row: &Row) {
        let text = match self.json {
            true => {
                let comma = if self.rows == 0 { "\n" } else { ",\n" };
                format!("{comma}{}", json!(row))
            }
            false => entry(row),
        };
        self.rows += 1;
        self.put(&text);
    }

    fn end(&mut self, sums: &[Tally]) -> io::Result<()> {
        let text = match self.json {
            true => format!("\n],\"summary\":{}}}\n", json!(sums)),
            false => summary(sums),
        };
        self.put(&text);
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => self.out.flush(),
        }
    }
}

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
    let width = row.policies.iter().map(|f| f.policy.chars().count()).max();
    for finding in &row.policies {
        let policy = &finding.policy;
        let width = width.unwrap_or(0);
        let _ = writeln!(out, "  {policy:<width$}  {}", what(finding, row));
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
        let _ = write!(out, "  spared at {}: {why}", second(*since));
    }
    if finding.decision == Decision::Waited && row.fate == Fate::Failed {
        out.push_str("  the record ends here");
    }
    out
}

/// To the second: what people want to read.
fn second(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn summary(sums: &[Tally]) -> String {
    let mut out = String::new();
    let width = sums
        .iter()
        .map(|sum| sum.policy.chars().count().max(10) + 2);
    let widths: Vec<usize> = width.collect();
    let mut line = |head: &str, cells: Vec<String>| {
        let _ = write!(out, "{head:<38}");
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(out, "{cell:>width$}");
        }
        out.push('\n');
    };
    line("", sums.iter().map(|sum| sum.policy.clone()).collect());
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
        ("verdicts unlike the record's", |sum| sum.disagreed),
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
