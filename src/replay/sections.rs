//! Finds the node of each line. Only the lines that begin a run or a file name the node. The names
//! of files are no help: people copy and rename logs, and put several into one file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;
use serde::Deserialize;

use crate::journal::files::{Log, Place};
use crate::judge::Moment;

/// Lines of one file, one after the other, that are of one node.
#[derive(Clone, Debug)]
pub struct Section {
    /// The file.
    pub log: Log,
    /// The node that the lines are of.
    pub node: String,
    /// The place of its first line.
    pub from: Place,
    /// The place after its last line.
    pub to: Place,
    /// Time at which it begins.
    begins: Begins,
}

/// Time at which a section begins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Begins {
    /// The kernel's name for the boot.
    boot: String,
    /// The boot clock.
    at: Moment,
    /// The wall clock.
    time: Timestamp,
}

impl Section {
    /// Bytes.
    fn length(&self) -> u64 {
        self.to.byte - self.from.byte
    }
}

/// Contents of a file.
#[derive(Debug, Default)]
pub struct Contents {
    /// The lines whose node is known.
    pub sections: Vec<Section>,
    /// Number of lines.
    pub lines: u64,
    /// Some line is of a node's log.
    pub is_log: bool,
}

/// Fields that every line has.
#[derive(Deserialize)]
struct Common {
    at: Moment,
    time: Timestamp,
}

/// Fields of a line that says of which node it and the lines after it are.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    node: String,
    boot: String,
    at: Moment,
    time: Timestamp,
}

impl Head<'_> {
    fn of(line: &[u8]) -> Option<Head<'_>> {
        let text = std::str::from_utf8(line).ok()?;
        // Most lines are none, and are not taken apart twice.
        if !text.contains("\"start\"") && !text.contains("\"continued\"") {
            return None;
        }
        let head: Head<'_> = serde_json::from_str(text).ok()?;
        matches!(&*head.kind, "start" | "continued").then_some(head)
    }
}

/// Finds the sections of a file.
///
/// # Errors
/// If it cannot be read.
pub fn sections_of(log: &Log) -> io::Result<Contents> {
    let mut found = Contents::default();
    let mut lines = log.lines()?;
    let mut first: Option<Common> = None;
    loop {
        let mut from = lines.place();
        let Some(line) = lines.next_line()? else {
            if let Some(last) = found.sections.last_mut() {
                last.to = from;
            }
            return Ok(found);
        };
        found.lines += 1;
        let text = line.text.unwrap_or_default();
        if !found.is_log {
            first = serde_json::from_slice(text).ok();
            found.is_log = first.is_some();
        }
        let Some(head) = Head::of(text) else { continue };
        let mut common = Common {
            at: head.at,
            time: head.time,
        };
        match found.sections.last_mut() {
            Some(last) if last.node == head.node => continue,
            Some(last) => last.to = from,
            // A file may begin before its head, in the middle of a story.
            None => {
                from = Place { byte: 0, line: 0 };
                common = first.take().unwrap_or(common);
            }
        }
        found.sections.push(Section {
            log: log.clone(),
            node: head.node,
            from,
            to: from,
            begins: Begins {
                boot: head.boot,
                at: common.at,
                time: common.time,
            },
        });
    }
}

/// Groups sections by node, in the order in which the nodes were first named. A node's are in the
/// order in which they were written: by the boot clock within a boot, since a wall clock may be set.
pub fn by_node(sections: Vec<Section>) -> Vec<Vec<Section>> {
    let mut nodes: Vec<Vec<Section>> = Vec::new();
    for section in sections {
        match nodes.iter_mut().find(|node| node[0].node == section.node) {
            Some(node) => node.push(section),
            None => nodes.push(vec![section]),
        }
    }
    for node in &mut nodes {
        let mut boots: BTreeMap<String, Timestamp> = BTreeMap::new();
        for Section { begins, .. } in node.iter() {
            let first = boots.entry(begins.boot.clone()).or_insert(begins.time);
            *first = begins.time.min(*first);
        }
        node.sort_by_key(|section| {
            let Begins { boot, at, .. } = &section.begins;
            (boots.get(boot).copied(), boot.clone(), *at)
        });
        // Of two copies of one file the one that was made later goes on longer.
        node.dedup_by(|next, kept| {
            let is_copy = next.begins == kept.begins;
            if is_copy && next.length() > kept.length() {
                std::mem::swap(next, kept);
            }
            is_copy
        });
    }
    nodes
}
