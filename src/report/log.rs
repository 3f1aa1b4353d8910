use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::judge::{Moment, PodView};

/// The node's log: what the judge was given, what it decided and what was written, one JSON object a line.
///
/// A fault of the disk is told once and never stops the agent.
#[derive(Debug)]
pub struct NodeLog {
    path: PathBuf,
    file: Option<File>,
    size: u64,
    well: bool,
}

/// One line of the node's log.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Line<'a> {
    /// The agent has started.
    Start {
        /// Its version.
        version: &'a str,
        /// The kernel's name for this boot.
        boot: &'a str,
    },
    /// An input of the judge that changed something.
    View {
        /// The boot clock.
        at: Moment,
        /// What was reported.
        view: &'a PodView,
    },
    /// A verdict on a Pod.
    Verdict {
        /// The boot clock.
        at: Moment,
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// `settle`, `wait`, `hold` or `condemn`.
        decision: &'a str,
        /// Whether the Pod may be written to, for `condemn`.
        enforce: Option<bool>,
        /// Images with a newly counted failure.
        failed: Vec<&'a str>,
        /// Images with a failure that was inferred from the pause after it.
        inferred: Vec<&'a str>,
        /// Images that got past their pull after failures.
        healed: Vec<&'a str>,
        /// Why.
        reasons: Vec<String>,
    },
    /// A request about a Pod, and what came of it.
    Write {
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// `look`, `condition`, `deadline`, `delete`, `take-back` or `event`.
        step: &'a str,
        /// `ok`, or what was answered.
        result: &'a str,
    },
    /// The report on a Pod ended.
    Report {
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// `written`, `spared`, `gone`, `denied` or `failed`.
        ending: &'a str,
        /// More about it.
        detail: String,
    },
    /// A Pod that would have been failed has started after all.
    WouldFailThenStarted {
        /// The boot clock.
        at: Moment,
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// The image whose time had come.
        image: &'a str,
        /// Why the Pod was not failed: `observing`, `held` or `spared`.
        because: &'a str,
    },
    /// A Pod is not Pending any more, or gone.
    Left {
        /// The boot clock.
        at: Moment,
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// Whether both writes had been made.
        written: bool,
    },
}

#[derive(Serialize)]
struct Stamped<'a> {
    time: Timestamp,
    #[serde(flatten)]
    line: &'a Line<'a>,
}

/// A file of the log is put aside at this size.
const LARGEST: u64 = 8 * 1024 * 1024;

/// How many files are kept beside the one that is written to.
const KEPT: usize = 3;

impl NodeLog {
    /// The log in `dir`, which is made if need be. Faults are told when the first line is written.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            path: dir.join("pulls.jsonl"),
            file: None,
            size: 0,
            well: true,
        }
    }

    /// The files of the log in `dir`, the oldest first, whether they are there or not.
    pub fn files(dir: &Path) -> Vec<PathBuf> {
        let log = Self::in_dir(dir);
        (0..=KEPT).rev().map(|index| log.numbered(index)).collect()
    }

    /// Writes one line. A fault is returned only when it is news.
    ///
    /// # Errors
    /// The disk's, the first time in a row that it has one.
    pub fn write(&mut self, time: Timestamp, line: &Line<'_>) -> Result<(), io::Error> {
        let result = self.try_write(time, line);
        let was_well = std::mem::replace(&mut self.well, result.is_ok());
        if result.is_err() {
            self.file = None;
        }
        match result {
            Err(error) if was_well => Err(error),
            _ => Ok(()),
        }
    }

    fn try_write(&mut self, time: Timestamp, line: &Line<'_>) -> io::Result<()> {
        let mut text = serde_json::to_vec(&Stamped { time, line })?;
        text.push(b'\n');
        let length = text.len() as u64;
        if self.file.is_some() && self.size + length > LARGEST {
            self.file = None;
            self.rotate()?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = open(&self.path)?;
                self.size = file.metadata()?.len();
                none.insert(file)
            }
        };
        file.write_all(&text)?;
        self.size += length;
        Ok(())
    }

    fn rotate(&self) -> io::Result<()> {
        for index in (0..KEPT).rev() {
            match std::fs::rename(self.numbered(index), self.numbered(index + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn numbered(&self, index: usize) -> PathBuf {
        match index {
            0 => self.path.clone(),
            _ => self.path.with_extension(format!("jsonl.{index}")),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_size_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = NodeLog::in_dir(dir.path());
        let boot = "x".repeat(1024 * 1024);
        let line = Line::Start {
            version: "1",
            boot: &boot,
        };
        for _ in 0..60 {
            log.write(Timestamp::UNIX_EPOCH, &line).unwrap();
        }
        let sizes: Vec<u64> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(sizes.len(), KEPT + 1);
        assert!(sizes.iter().all(|size| *size <= LARGEST));
    }

    #[test]
    fn a_fault_is_news_once() {
        let mut log = NodeLog::in_dir(Path::new("/dev/null/x"));
        let line = Line::Start {
            version: "1",
            boot: "b",
        };
        assert!(log.write(Timestamp::UNIX_EPOCH, &line).is_err());
        assert!(log.write(Timestamp::UNIX_EPOCH, &line).is_ok());
    }
}
