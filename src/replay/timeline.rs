//! The logs of many nodes on one time line, by the wall clock.
//!
//! Each node has some lines in memory. A file is open only while lines are read from it, so that
//! thousands of nodes need no thousands of open files.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;

use jiff::Timestamp;

use super::sections::Section;
use crate::journal::files::Place;
use crate::journal::read::Record;

/// The most lines in memory, of all nodes together.
const LINES: usize = 100_000;

/// The nodes' lines, in the order of time.
pub struct Timeline {
    nodes: Vec<Cursor>,
    order: BinaryHeap<Reverse<(Timestamp, usize)>>,
}

/// One line of a node.
#[derive(Debug)]
pub struct Next {
    /// Place of the node in the list that the time line was made of.
    pub node: usize,
    /// Place of the section among those of the node.
    pub section: usize,
    /// Number of the line in its file.
    pub number: u64,
    /// The line, or the reason why it cannot be used.
    pub record: Result<Box<Record>, String>,
}

/// The place in the lines of one node.
struct Cursor {
    sections: Vec<Section>,
    /// The section that is being read.
    current: usize,
    /// The place in it after the lines in memory.
    place: Place,
    /// Number of lines that are read at once.
    at_once: usize,
    /// Lines in memory: the section, the number, and the text if it is short enough.
    ahead: VecDeque<(usize, u64, Option<Vec<u8>>)>,
    /// The next line.
    next: Option<Next>,
    /// Time of the last line that could be read: a clock that was set back does not reorder lines.
    time: Timestamp,
}

impl Timeline {
    /// The time line of these nodes, each with its sections in order.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn of(nodes: Vec<Vec<Section>>) -> io::Result<Self> {
        let at_once = (LINES / nodes.len().max(1)).clamp(8, 1024);
        let mut line = Self {
            nodes: Vec::new(),
            order: BinaryHeap::new(),
        };
        for sections in nodes {
            let place = sections[0].from;
            line.nodes.push(Cursor {
                sections,
                current: 0,
                place,
                at_once,
                ahead: VecDeque::new(),
                next: None,
                time: Timestamp::MIN,
            });
            line.advance(line.nodes.len() - 1)?;
        }
        Ok(line)
    }

    /// Returns the next line of all; `None` at the end.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Next>> {
        let Some(Reverse((_, node))) = self.order.pop() else {
            return Ok(None);
        };
        let next = self.nodes[node].next.take();
        self.advance(node)?;
        Ok(next)
    }

    fn advance(&mut self, node: usize) -> io::Result<()> {
        let cursor = &mut self.nodes[node];
        cursor.next = cursor.read(node)?;
        if cursor.next.is_some() {
            self.order.push(Reverse((cursor.time, node)));
        }
        Ok(())
    }
}

impl Cursor {
    fn read(&mut self, node: usize) -> io::Result<Option<Next>> {
        if self.ahead.is_empty() {
            self.fill()?;
        }
        let Some((section, number, text)) = self.ahead.pop_front() else {
            return Ok(None);
        };
        let record = match text {
            None => Err("is too long for a line, passed over".to_owned()),
            Some(text) => Record::read(&text).map_err(|problem| problem.to_string()),
        };
        if let Ok(record) = &record {
            self.time = self.time.max(record.time);
        }
        Ok(Some(Next {
            node,
            section,
            number,
            record: record.map(Box::new),
        }))
    }

    fn fill(&mut self) -> io::Result<()> {
        while let Some(section) = self.sections.get(self.current) {
            let mut lines = section.log.lines_between(self.place, section.to)?;
            while self.ahead.len() < self.at_once
                && let Some(line) = lines.next_line()?
            {
                let text = line.text.map(<[u8]>::to_vec);
                self.ahead.push_back((self.current, line.number, text));
            }
            self.place = lines.place();
            if !self.ahead.is_empty() {
                return Ok(());
            }
            self.current += 1;
            if let Some(next) = self.sections.get(self.current) {
                self.place = next.from;
            }
        }
        Ok(())
    }
}
