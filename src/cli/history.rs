//! History of one Pod, as the node's log has it.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::screen::second;
use crate::journal::files::Log;
use crate::journal::line::Line;
use crate::journal::log::NodeLog;
use crate::journal::read::Record;
use crate::judge::{ContainerState, ContainerView, Decision, Outcome};

/// Entries that are shown, at most; the latest.
const SHOWN: usize = 40;

/// History of one Pod.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Entries, the oldest first.
    pub(super) entries: Vec<Entry>,
    /// Time when the Pod was failed, if it was.
    pub(super) failed_at: Option<String>,
    /// Container states of the last entry that shows some.
    states: String,
}

/// One entry of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    /// Wall clock, to the second.
    pub(super) time: String,
    /// Kind of the log line.
    pub(super) kind: &'static str,
    /// Text for people.
    pub(super) text: String,
}

/// Kind of the entries that are never cut.
pub(super) const VERDICT: &str = "verdict";

/// Reads the history of a Pod from the node's log in `dir`, the oldest file first. A line that
/// cannot be read is skipped.
///
/// # Errors
/// If a file of the log is there and cannot be read.
pub(super) fn read(dir: &Path, namespace: &str, pod: &str) -> io::Result<History> {
    let mut history = History::default();
    for path in NodeLog::files(dir) {
        let log = match Log::open(&path) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut lines = log.lines()?;
        while let Some(line) = lines.next_line()? {
            if let Ok(text) = std::str::from_utf8(line.text.unwrap_or_default())
                && text.contains(pod)
                && let Ok(record) = Record::read(text.as_bytes())
                && record.line.of() == Some((namespace, pod))
            {
                history.take(&record);
            }
        }
    }
    Ok(history)
}

impl History {
    fn take(&mut self, record: &Record) {
        let time = second(record.time);
        let (kind, text) = match &record.line {
            Line::View(line) => {
                let states: Vec<String> = line.view.containers.iter().map(state).collect();
                let states = states.join("; ");
                // A view that differs in something else says nothing to people.
                if states == self.states {
                    return;
                }
                self.states.clone_from(&states);
                ("view", states)
            }
            Line::Verdict(line) => {
                let decision = match line.decision.as_str() {
                    Decision::FAIL => "fail",
                    other => other,
                };
                (VERDICT, format!("{decision}: {}", line.reasons.join("; ")))
            }
            Line::Write(line) => ("write", format!("{}: {}", line.step, line.result)),
            Line::Report(line) => {
                if line.outcome == Outcome::Written {
                    self.failed_at = Some(time.clone());
                }
                let text = format!("the report ended: {} {}", line.ending, line.detail);
                ("report", text.trim_end().to_owned())
            }
            Line::WouldFailThenStarted(line) => (
                "would-fail-then-started",
                format!(
                    "would have been failed for {} ({}), and started after all",
                    line.image, line.because
                ),
            ),
            Line::Undone(line) => {
                let undone = line.undone.as_str();
                ("undone", format!("revert of the condition: {undone}"))
            }
            Line::Left(_) => ("left", "not Pending any more".to_owned()),
            _ => return,
        };
        if self.entries.len() >= SHOWN {
            self.entries.remove(0);
        }
        self.entries.push(Entry { time, kind, text });
    }
}

/// Returns the state of a container in words.
fn state(container: &ContainerView) -> String {
    let state = match &container.state {
        ContainerState::Waiting { reason, .. } if reason.is_empty() => "waiting".to_owned(),
        ContainerState::Waiting { reason, message } => format!("{reason} {message}"),
        ContainerState::Running => "Running".to_owned(),
        ContainerState::Terminated => "Terminated".to_owned(),
    };
    format!("{}: {}", container.name, state.trim_end())
}
