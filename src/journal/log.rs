//! Files of the journal: one JSON object a line, in four files of bounded size.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::line::Line;
use crate::judge::Moment;
use crate::permissions;
use crate::text::escaping;

/// The node's log: what the judge was given, what it decided and what was written, one JSON object a line.
///
/// A fault of the disk is told once and never stops the agent.
#[derive(Debug)]
pub struct NodeLog {
    path: PathBuf,
    file: Option<File>,
    size: u64,
    well: bool,
    /// Every line goes to standard output too.
    echoed: bool,
    /// The file was begun anew, and lacks the line that says what was known before.
    headless: bool,
}

/// Time stamps of a line.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Stamp {
    /// The wall clock.
    pub time: Timestamp,
    /// The boot clock; the judge's own moment, where it was asked.
    pub at: Moment,
    /// Moment at which the agent last checked whether a reason has stood long enough.
    pub ticked: Option<Moment>,
}

#[derive(Serialize)]
struct Stamped<'a> {
    #[serde(flatten)]
    stamp: Stamp,
    #[serde(flatten)]
    line: &'a Line,
}

/// A file of the log is put aside at this size.
const LARGEST: u64 = 8 * 1024 * 1024;

/// It is put aside earlier, at a moment when nothing is half told, if it has only this much room left.
const ROOM: u64 = 512 * 1024;

/// Number of files that are kept beside the one that is written to.
const KEPT: usize = 3;

impl NodeLog {
    /// The log in `dir`, which is made if need be. Faults are told when the first line is written. `echoed`: on standard output too.
    pub fn in_dir(dir: &Path, echoed: bool) -> Self {
        Self {
            path: dir.join("pulls.jsonl"),
            file: None,
            size: 0,
            well: true,
            echoed,
            headless: false,
        }
    }

    /// The files of the log in `dir`, the oldest first, whether they are there or not.
    pub fn files(dir: &Path) -> Vec<PathBuf> {
        let log = Self::in_dir(dir, false);
        (0..=KEPT).rev().map(|index| log.numbered(index)).collect()
    }

    /// Path of the file that is written to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one line. A fault is returned only when it is news.
    ///
    /// # Errors
    /// The disk's, the first time in a row that it has one.
    pub fn write(&mut self, stamp: Stamp, line: &Line) -> Result<(), io::Error> {
        let result = self.try_write(stamp, line);
        let was_well = std::mem::replace(&mut self.well, result.is_ok());
        if result.is_err() {
            self.file = None;
        }
        match result {
            Err(error) if was_well => Err(error),
            _ => Ok(()),
        }
    }

    /// To be asked when nothing is half told: whether the file begins, or is about to begin, with a line that does not say what was so before.
    pub fn wants_heading(&mut self) -> bool {
        if self.file.is_some() && self.size > LARGEST - ROOM {
            self.file = None;
            self.headless = self.rotate().is_ok();
        }
        std::mem::take(&mut self.headless)
    }

    fn try_write(&mut self, stamp: Stamp, line: &Line) -> io::Result<()> {
        let text = serde_json::to_string(&Stamped { stamp, line })?;
        // It is read in terminals, and goes to standard output.
        let mut text = escaping::json(&text).into_owned();
        text.push('\n');
        let text = text.as_bytes();
        let result = self.keep(text);
        if self.echoed {
            // A standard output that nobody reads any more is no fault of the disk's.
            let mut out = io::stdout().lock();
            let _ = out.write_all(text).and_then(|()| out.flush());
        }
        result
    }

    fn keep(&mut self, text: &[u8]) -> io::Result<()> {
        let length = text.len() as u64;
        if self.file.is_some() && self.size + length > LARGEST {
            self.file = None;
            self.rotate()?;
            self.headless = true;
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = self.open()?;
                self.size = file.metadata()?.len();
                file
            }
        };
        let result = file.write_all(text);
        self.file = Some(file);
        result?;
        self.size += length;
        Ok(())
    }

    fn open(&self) -> io::Result<File> {
        if let Some(dir) = self.path.parent() {
            permissions::make_folder(dir)?;
        }
        // Older versions may have made them, and those put aside are not opened again.
        for index in 1..=KEPT {
            permissions::narrow(&self.numbered(index))?;
        }
        permissions::append_to(&self.path)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::line::Image;

    const STAMP: Stamp = Stamp {
        time: Timestamp::UNIX_EPOCH,
        at: Moment::new(std::time::Duration::ZERO),
        ticked: None,
    };

    fn line(text: &str) -> Line {
        Line::Image(Image {
            image: text.to_owned(),
            came: None,
        })
    }

    fn sizes(dir: &Path) -> Vec<u64> {
        std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect()
    }

    #[test]
    fn total_size_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = NodeLog::in_dir(dir.path(), false);
        let image = "x".repeat(1024 * 1024);
        for _ in 0..60 {
            log.write(STAMP, &line(&image)).unwrap();
        }
        let sizes = sizes(dir.path());
        assert_eq!(sizes.len(), KEPT + 1);
        assert!(sizes.iter().all(|size| *size <= LARGEST));
        assert!(log.wants_heading() && !log.wants_heading());
    }

    #[test]
    fn a_file_is_put_aside_between_two_stories() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = NodeLog::in_dir(dir.path(), false);
        let image = "x".repeat(1024 * 1024);
        for written in 0..7 {
            assert!(!log.wants_heading(), "after {written}");
            log.write(STAMP, &line(&image)).unwrap();
        }
        log.write(STAMP, &line(&image[..600 * 1024])).unwrap();
        assert_eq!(sizes(dir.path()).len(), 1);
        assert!(log.wants_heading());
        log.write(STAMP, &line("first")).unwrap();
        assert_eq!(sizes(dir.path()).len(), 2);
    }

    #[test]
    fn a_fault_is_news_once() {
        let mut log = NodeLog::in_dir(Path::new("/dev/null/x"), false);
        assert!(log.write(STAMP, &line("a")).is_err());
        assert!(log.write(STAMP, &line("a")).is_ok());
    }
}
