//! Output of a replay, which is written while the logs are read, and complaints about lines.

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use serde_json::json;

use super::printing::{Printed, complain, outcome};
use super::replay_text::{entry, summary};
use crate::replay::{Row, Section, Tally};
use crate::text::escaping;

/// Bad lines of one file that are named one by one.
const NAMED: u64 = 20;

/// Complaint about a node of which nothing was judged.
pub(super) fn unjudged(node: &str) -> String {
    format!("nothing of node {node} was judged: no configuration that was in force can be read")
}

/// Problems with the lines of one section.
pub(super) struct Complaints {
    file: PathBuf,
    count: u64,
}

impl Complaints {
    pub(super) fn of(section: &Section) -> Self {
        Self {
            file: section.log.path.clone(),
            count: 0,
        }
    }

    pub(super) fn tell(&mut self, number: u64, what: &str) {
        self.count += 1;
        if self.count <= NAMED {
            complain(&format!("{}:{number}: {what}", self.file.display()));
        }
    }

    pub(super) fn end(self) {
        if self.count > NAMED {
            let more = self.count - NAMED;
            complain(&format!(
                "{}: {more} more lines cannot be used",
                self.file.display()
            ));
        }
    }
}

/// Standard output, which is written while the logs are read.
pub(super) struct Output<'a> {
    out: BufWriter<io::StdoutLock<'a>>,
    json: bool,
    rows: u64,
    fault: Option<io::Error>,
}

impl Output<'_> {
    pub(super) fn new(json: bool) -> Self {
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

    /// Returns whether a write has failed.
    pub(super) fn is_broken(&self) -> bool {
        self.fault.is_some()
    }

    /// Returns whether the reader has gone.
    pub(super) fn closed(&mut self) -> anyhow::Result<bool> {
        let written = self.fault.take().map_or(Ok(()), Err);
        Ok(outcome(written)? == Printed::Closed)
    }

    pub(super) fn row(&mut self, row: &Row) {
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

    pub(super) fn end(&mut self, sums: &[Tally]) -> anyhow::Result<Printed> {
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
