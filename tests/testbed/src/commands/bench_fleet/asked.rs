//! Requests to the API server, by its own audit log.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::Deserialize;

/// A second, in microseconds.
const SECOND: i64 = 1_000_000;

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// When the API server got it, in microseconds since 1970.
    pub at: i64,
    /// The node that the token says.
    pub node: String,
    /// Verb and what it is about, such as `get configmaps`.
    pub what: String,
    /// The answer's code.
    pub code: u16,
}

/// The audit log, read on and on.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    /// Place up to which the log was read.
    offset: u64,
    user: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "auditID")]
    audit_id: String,
    verb: String,
    user: User,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Status,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
struct Object {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    subresource: String,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}

impl Log {
    /// The requests of this user, from now on.
    pub fn from_now(path: PathBuf, user: &'static str) -> Result<Self> {
        let mut log = Self {
            path,
            offset: 0,
            user,
        };
        log.read()?;
        Ok(log)
    }

    /// The requests since this was last asked, oldest first. A watch is among them when it has begun.
    pub fn read(&mut self) -> Result<Vec<Asked>> {
        let mut file = File::open(&self.path).context("opening the audit log")?;
        file.seek(SeekFrom::Start(self.offset))
            .context("reading the audit log")?;
        let mut lines = BufReader::new(file);
        let (mut asked, mut seen, mut line) = (Vec::new(), BTreeSet::new(), String::new());
        loop {
            line.clear();
            let length = lines
                .read_line(&mut line)
                .context("reading the audit log")?;
            // The last line may not be complete yet.
            if !line.ends_with('\n') {
                break;
            }
            self.offset += u64::try_from(length)?;
            if !line.contains(self.user) {
                continue;
            }
            let entry: Entry = serde_json::from_str(&line).context("decoding the audit log")?;
            let is_end = entry.verb == "watch" && line.contains("\"stage\":\"ResponseComplete\"");
            // A watch that was refused has no beginning.
            let is_counted = !(is_end && entry.response_status.code == 200);
            if entry.user.username == self.user && is_counted && seen.insert(entry.audit_id.clone())
            {
                asked.push(Asked::of(entry));
            }
        }
        asked.sort_by_key(|asked| asked.at);
        Ok(asked)
    }
}

impl Asked {
    fn of(entry: Entry) -> Self {
        let node = entry
            .user
            .extra
            .get("authentication.kubernetes.io/node-name");
        let node = node.and_then(|names| names.first()).cloned();
        let Object {
            resource,
            subresource,
        } = entry.object_ref;
        let what = match subresource.as_str() {
            "" => format!("{} {resource}", entry.verb),
            part => format!("{} {resource}/{part}", entry.verb),
        };
        Self {
            at: entry.request_received_timestamp.as_microsecond(),
            node: node.unwrap_or_default(),
            what,
            code: entry.response_status.code,
        }
    }

    /// Returns true if it is about the fleet budget.
    pub fn is_of_budget(&self) -> bool {
        self.what.ends_with(" configmaps")
    }
}

/// The most requests in one second, wherever that begins. They must be in order.
pub fn worst_second(asked: &[Asked]) -> usize {
    let mut first = 0;
    let within = asked.iter().enumerate().map(|(last, of)| {
        while of.at - asked[first].at >= SECOND {
            first += 1;
        }
        last + 1 - first
    });
    within.max().unwrap_or_default()
}

/// Numbers of requests by kind, the most frequent first.
pub fn kinds(asked: &[Asked]) -> Vec<(String, usize)> {
    let mut kinds = BTreeMap::<&str, usize>::new();
    for of in asked {
        *kinds.entry(&of.what).or_default() += 1;
    }
    let mut kinds: Vec<_> = kinds
        .into_iter()
        .map(|(kind, made)| (kind.to_owned(), made))
        .collect();
    kinds.sort_by_key(|(_, made)| std::cmp::Reverse(*made));
    kinds
}

/// The most requests that one node has made.
pub fn most_of_a_node<'a>(asked: impl Iterator<Item = &'a Asked>) -> usize {
    let mut each = BTreeMap::<&str, usize>::new();
    for of in asked {
        *each.entry(&of.node).or_default() += 1;
    }
    each.into_values().max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_may_begin_anywhere() {
        let at = |at| Asked {
            at,
            node: String::new(),
            what: "get pods".to_owned(),
            code: 200,
        };
        let asked: Vec<Asked> = [0, 900_000, 1_500_000, 1_899_999, 1_900_000].map(at).into();
        assert_eq!(worst_second(&asked), 3);
        assert_eq!(worst_second(&[]), 0);
    }
}
