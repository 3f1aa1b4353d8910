//! The text of a replay: each Pod, and the sums.

use std::fmt::Write as _;
use std::time::Duration;

use super::screen::second;
use crate::replay::{Decision, Fate, Finding, Row, Tally};
use crate::text::Shown;

/// Returns the lines of one Pod.
pub(super) fn entry(row: &Row) -> String {
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

/// Returns the sums of all policies side by side.
pub(super) fn summary(sums: &[Tally]) -> String {
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
