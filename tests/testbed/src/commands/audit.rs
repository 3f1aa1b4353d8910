//! What the API server's audit log tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde_json::Value;
use testbed::Node;

/// The audit log as it is at a time.
#[derive(Debug)]
pub struct Audit(Vec<Value>);

/// A PATCH of a Pod or of its status that was made.
#[derive(Debug)]
pub struct Patched {
    /// Who made it.
    pub user: String,
    /// The Pod's name.
    pub pod: String,
    /// Of the status, not of the Pod itself.
    pub status: bool,
    /// When the API server was asked for it, in microseconds since 1970.
    pub asked: i64,
    /// When it had made it.
    pub at: i64,
    /// What was to be changed; only of the kubelet's writes.
    pub body: Value,
}

impl Audit {
    pub fn read(node: &Node) -> Result<Self> {
        let path = node.audit_log();
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        // The last line may not be complete yet.
        let lines = text
            .lines()
            .map(serde_json::from_str)
            .filter_map(Result::ok);
        Ok(Self(lines.collect()))
    }

    /// The requests of a user, by verb and, where it is not the Pod, by what it was about.
    fn of(&self, user: &str) -> impl Iterator<Item = (&str, String)> {
        let by_user = self
            .0
            .iter()
            .filter(move |entry| entry["user"]["username"] == user);
        by_user.filter_map(|entry| {
            let of = &entry["objectRef"];
            let what = match (of["resource"].as_str(), of["subresource"].as_str()) {
                (Some("pods"), None) => String::new(),
                (_, Some(sub)) => format!(" {sub}"),
                (what, None) => format!(" {}", what.unwrap_or_default()),
            };
            let verb = entry["verb"].as_str()?;
            Some((entry["auditID"].as_str()?, format!("{verb}{what}")))
        })
    }

    /// How many requests a user has made. A watch has an entry when it begins and one when it ends.
    pub fn requests(&self, user: &str) -> usize {
        self.of(user)
            .map(|(id, _)| id)
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// How many requests of each kind a user has made.
    pub fn kinds(&self, user: &str) -> BTreeMap<String, usize> {
        let each: BTreeMap<&str, String> = self.of(user).collect();
        let mut kinds = BTreeMap::new();
        for kind in each.into_values() {
            *kinds.entry(kind).or_default() += 1;
        }
        kinds
    }

    /// The successful writes to Pods, oldest first.
    pub fn patches(&self) -> impl Iterator<Item = Patched> {
        let made = self.0.iter().filter(|entry| {
            let of = &entry["objectRef"];
            entry["verb"] == "patch"
                && of["resource"] == "pods"
                && matches!(of["subresource"].as_str(), None | Some("status"))
                && entry["responseStatus"]["code"] == 200
        });
        made.filter_map(|entry| {
            let time = |name: &str| -> Option<i64> {
                let time: Timestamp = entry[name].as_str()?.parse().ok()?;
                Some(time.as_microsecond())
            };
            let of = &entry["objectRef"];
            Some(Patched {
                user: entry["user"]["username"].as_str()?.to_owned(),
                pod: of["name"].as_str()?.to_owned(),
                status: of["subresource"] == "status",
                asked: time("requestReceivedTimestamp")?,
                at: time("stageTimestamp")?,
                body: entry["requestObject"].clone(),
            })
        })
    }
}
