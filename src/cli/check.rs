//! `pullwarden check`: the preflight check, printed.

use anyhow::bail;
use clap::{ArgMatches, Command};
use serde_json::json;

use super::arguments;
use super::printing::{pretty, print};
use super::screen::{Screen, Tone};
use crate::check::{self, Finding, Level};

/// Columns of the thing that was checked, and of the finding.
const COLUMNS: [usize; 2] = [9, 25];

pub(super) fn command() -> Command {
    Command::new("check")
        .about("Check whether this node has what the agent needs: sockets, versions, folders, permissions")
        .after_help(arguments::examples([
            ("This node, for an agent of this configuration", "pullwarden check --config /etc/pullwarden/config.yaml"),
            ("The findings for a program", "pullwarden check --output json"),
        ]))
        .arg(arguments::config())
        .args(arguments::keys())
        .arg(arguments::output(["text", "json"]))
}

/// Checks the node for an agent of this configuration. Faults are a failure.
pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let config = arguments::given(matches).load()?;
    let findings = check::look(&config).await;
    let of = |level| {
        findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let (faults, warnings) = (of(Level::Fault), of(Level::Warning));
    let as_json = matches
        .get_one::<String>("output")
        .is_some_and(|o| o == "json");
    let text = match as_json {
        true => {
            let answer = json!({"faults": faults, "warnings": warnings, "findings": findings});
            pretty(&answer)?
        }
        false => page(&findings),
    };
    print(&text)?;
    match faults {
        0 => Ok(()),
        1 => bail!("check has found a fault"),
        more => bail!("check has found {more} faults"),
    }
}

fn page(findings: &[Finding]) -> String {
    let mut screen = Screen::new();
    let [what, found] = COLUMNS;
    for (index, finding) in findings.iter().enumerate() {
        let (tone, level) = match finding.level {
            Level::Ok => (Tone::Well, "ok"),
            Level::Warning => (Tone::Notable, "warning"),
            Level::Fault => (Tone::Bad, "fault"),
        };
        let head = format!("{level:<what$}{}", finding.what);
        screen.entry(tone, &head, found, &finding.found);
        // A remedy that several findings share is printed once, below the last of them.
        let next = findings.get(index + 1).map(|next| &next.remedy);
        if !finding.remedy.is_empty() && next != Some(&finding.remedy) {
            screen.entry(
                Tone::Plain,
                &format!("{:what$}→", ""),
                what + 2,
                &finding.remedy,
            );
        }
    }
    screen.into_text()
}
