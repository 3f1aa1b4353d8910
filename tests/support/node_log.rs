//! What every agent of these tests has written down, looked at when its node ends: each line is one of the schema's, and judging again by them
//! comes to the same verdicts at the same moments.

use std::path::{Path, PathBuf};

use pullwarden::config::Config;
use pullwarden::journal::files::Log;
use pullwarden::journal::log::NodeLog;
use pullwarden::journal::read::Record;
use pullwarden::replay::{Replay, Row, Tally};
use serde_json::Value;

use super::schema::PULLS;

/// The lines of the log in this folder, the oldest first. One that was cut by a full disk or a kill is left out.
pub fn lines(dir: &Path) -> Vec<Value> {
    let texts = files(dir)
        .into_iter()
        .map(|file| std::fs::read_to_string(file).unwrap());
    let text: String = texts.collect();
    let lines = text.lines().map(serde_json::from_str);
    lines.filter_map(Result::ok).collect()
}

/// The files of the log in this folder that are there, the oldest first.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let files = NodeLog::files(dir).into_iter();
    files.filter(|file| file.is_file()).collect()
}

/// What is wrong with the lines by the schema.
pub fn faults(dir: &Path) -> Vec<String> {
    let lines = lines(dir);
    let faults = lines.iter().flat_map(|line| {
        let faults = PULLS.faults(line).into_iter();
        faults.map(move |fault| format!("{fault} in {line}"))
    });
    faults.collect()
}

/// A replay that has come to its end.
#[derive(Debug)]
pub struct Replayed {
    pub rows: Vec<Row>,
    pub tallies: Vec<Tally>,
    pub disagreements: Vec<String>,
    /// The most Pods that something was kept of at any time.
    pub most: usize,
    /// The lines that could not be read, in words.
    pub unread: Vec<String>,
}

/// Replays these files by the policy that was in force, and by others.
pub fn replay(files: &[PathBuf], policies: &[(String, Config)]) -> Replayed {
    let mut replay = Replay::new(policies);
    let (mut rows, mut unread, mut most) = (Vec::new(), Vec::new(), 0);
    for file in files {
        let mut lines = Log::open(file).unwrap().lines().unwrap();
        while let Some(line) = lines.next_line().unwrap() {
            match Record::read(line.text.unwrap()) {
                Ok(record) => replay.take(&record, &mut |row| rows.push(row)).unwrap(),
                Err(problem) => unread.push(problem.to_string()),
            }
            most = most.max(replay.kept());
        }
    }
    replay.end(&mut |row| rows.push(row));
    Replayed {
        rows,
        tallies: replay.tallies().cloned().collect(),
        disagreements: replay.disagreements().map(str::to_owned).collect(),
        most,
        unread,
    }
}

/// The log in this folder is what the schema says, and judging by it again comes to the same.
///
/// # Panics
/// If not.
pub fn holds(dir: &Path) {
    let faults = faults(dir);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let replayed = replay(&files(dir), &[]);
    agrees(dir, &replayed);
}

/// All that the files of this folder have of verdicts was come to again, and nothing else.
pub fn agrees(dir: &Path, replayed: &Replayed) {
    let verdicts = lines(dir).iter().filter(|l| l["kind"] == "verdict").count();
    let agreed = usize::try_from(replayed.tallies[0].agreed).unwrap();
    let told = || {
        let lines = lines(dir).iter().map(Value::to_string).collect::<Vec<_>>();
        lines.join("\n")
    };
    assert!(
        replayed.disagreements.is_empty() && agreed == verdicts,
        "{agreed} of {verdicts}: {:#?}\n{}",
        replayed.disagreements,
        told()
    );
}
