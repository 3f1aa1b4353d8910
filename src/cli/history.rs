//! History of one Pod, as the node's log has it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::screen::second;
use crate::judge::{ContainerState, ContainerView, PodView};
use crate::report::NodeLog;

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

/// Line of the node's log, as far as the history of a Pod needs it.
#[derive(Deserialize)]
struct Line {
    time: Timestamp,
    /// A line that shows a Pod names it inside its view.
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    pod: String,
    #[serde(flatten)]
    event: Event,
}

/// Event that a line records.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Event {
    View {
        view: Box<PodView>,
    },
    Verdict {
        decision: String,
        reasons: Vec<String>,
    },
    Write {
        step: String,
        result: String,
    },
    Report {
        ending: String,
        #[serde(default)]
        detail: String,
    },
    WouldFailThenStarted {
        image: String,
        because: String,
    },
    Undone {
        undone: String,
    },
    Left {},
    #[serde(other)]
    Other,
}

/// Reads the history of a Pod from the node's log in `dir`, the oldest file first. A line that
/// cannot be read is skipped.
///
/// # Errors
/// If a file of the log is there and cannot be read.
pub(super) fn read(dir: &Path, namespace: &str, pod: &str) -> io::Result<History> {
    let mut history = History::default();
    for path in NodeLog::files(dir) {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            if let Ok(text) = std::str::from_utf8(&line)
                && text.contains(pod)
                && let Ok(line) = serde_json::from_str::<Line>(text)
                && line.is_of(namespace, pod)
            {
                history.take(line);
            }
            line.clear();
        }
    }
    Ok(history)
}

impl Line {
    fn is_of(&self, namespace: &str, pod: &str) -> bool {
        match &self.event {
            Event::View { view } => view.namespace == namespace && view.name == pod,
            _ => self.namespace == namespace && self.pod == pod,
        }
    }
}

impl History {
    fn take(&mut self, line: Line) {
        let time = second(line.time);
        let (kind, text) = match line.event {
            Event::View { view } => {
                let states: Vec<String> = view.containers.iter().map(state).collect();
                let states = states.join("; ");
                // A view that differs in something else says nothing to people.
                if states == self.states {
                    return;
                }
                self.states.clone_from(&states);
                ("view", states)
            }
            Event::Verdict { decision, reasons } => {
                let decision = match decision.as_str() {
                    "condemn" => "fail",
                    other => other,
                };
                (VERDICT, format!("{decision}: {}", reasons.join("; ")))
            }
            Event::Write { step, result } => ("write", format!("{step}: {result}")),
            Event::Report { ending, detail } => {
                if ending == "written" {
                    self.failed_at = Some(time.clone());
                }
                let text = format!("the report ended: {ending} {detail}");
                ("report", text.trim_end().to_owned())
            }
            Event::WouldFailThenStarted { image, because } => (
                "would-fail-then-started",
                format!("would have been failed for {image} ({because}), and started after all"),
            ),
            Event::Undone { undone } => ("undone", format!("revert of the condition: {undone}")),
            Event::Left {} => ("left", "not Pending any more".to_owned()),
            Event::Other => return,
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
