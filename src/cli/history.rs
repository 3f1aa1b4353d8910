use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use serde_json::Value;

use crate::journal::log::NodeLog;

/// Lines that are shown, at most; the latest.
const SHOWN: usize = 40;

/// What the node's log has about a Pod.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The lines, as people read them, the oldest first.
    pub(super) lines: Vec<String>,
    /// When the Pod was failed, if it was.
    pub(super) failed_at: Option<String>,
    /// The states that were shown last: a view that differs in something else says nothing to people.
    states: String,
}

/// Reads what the node's log in `dir` has about a Pod, from the oldest file on. A line that cannot be read is passed over.
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
                && let Ok(value) = serde_json::from_str(text)
            {
                history.take(&value, namespace, pod);
            }
            line.clear();
        }
    }
    Ok(history)
}

impl History {
    fn take(&mut self, line: &Value, namespace: &str, pod: &str) {
        let is_view = line["kind"] == "view";
        let (of, name) = match is_view {
            true => (&line["view"]["namespace"], &line["view"]["name"]),
            false => (&line["namespace"], &line["pod"]),
        };
        if of != namespace || name != pod {
            return;
        }
        // To the second: what people want to read.
        let time = text(&line["time"]).trim_end_matches('Z');
        let time = time.split('.').next().unwrap_or_default();
        let what = match line["kind"].as_str() {
            Some("view") => {
                let states = states(&line["view"]["containers"]);
                if states == self.states {
                    return;
                }
                self.states.clone_from(&states);
                states
            }
            Some("verdict") => {
                let reasons = line["reasons"].as_array().into_iter().flatten().map(text);
                let reasons: Vec<&str> = reasons.collect();
                format!("{}: {}", text(&line["decision"]), reasons.join("; "))
            }
            Some("write") => format!("{}: {}", text(&line["step"]), text(&line["result"])),
            Some("report") => {
                if line["ending"] == "written" {
                    self.failed_at = Some(format!("{time}Z"));
                }
                format!(
                    "the report ended: {} {}",
                    text(&line["ending"]),
                    text(&line["detail"])
                )
            }
            Some("would-fail-then-started") => format!(
                "would have been failed for {} ({}), and started after all",
                text(&line["image"]),
                text(&line["because"])
            ),
            Some("undone") => format!(
                "its condition was to be taken back: {}",
                text(&line["undone"])
            ),
            Some("left") => "not Pending any more".to_owned(),
            _ => return,
        };
        if self.lines.len() >= SHOWN {
            self.lines.remove(0);
        }
        self.lines.push(format!("{time}Z  {}", what.trim_end()));
    }
}

fn states(containers: &Value) -> String {
    let states = containers
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| {
            let waiting = &container["state"]["Waiting"];
            let state = match (waiting.is_object(), container["state"].as_str()) {
                (true, _) if text(&waiting["reason"]).is_empty() => "waiting".to_owned(),
                (true, _) => format!("{} {}", text(&waiting["reason"]), text(&waiting["message"])),
                (false, state) => state.unwrap_or_default().to_owned(),
            };
            format!("{}: {}", text(&container["name"]), state.trim_end())
        });
    states.collect::<Vec<_>>().join("; ")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
