//! The survey in the form that programs read. docs/survey.md describes it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::plan::{Act, Plan};
use super::table::{By, Group, Table};
use crate::evidence::is_device;
use crate::judge::{Cause, Policy, Reference};

/// Answer to `pullwarden survey`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Survey {
    /// Time of the survey.
    pub time: Timestamp,
    /// Namespace that was asked for; `None` for all.
    pub namespace: Option<String>,
    /// Field by which the rows are grouped.
    pub by: By,
    /// Rules that the plans are made by.
    pub rules: Rules,
    /// Sums over all Pending Pods.
    pub pods: Total,
    /// All Pods that wait for images, each once.
    pub waiting: Holding,
    /// Rows, the one with the most Pods first.
    pub rows: Vec<Row>,
    /// Pods that agents failed lately; absent if that was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failed>,
    /// Requests for lists: one for each page.
    pub requests: u64,
    /// Notes on the limits of the survey, in sentences.
    pub notes: Vec<String>,
}

/// Rules that the plans are made by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// File of the configuration; `None` for the defaults.
    pub config: Option<String>,
    /// Mode of the nodes.
    pub mode: String,
}

/// Sums over all Pending Pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Total {
    /// All Pending Pods.
    pub pending: u64,
    /// Pods with an image that cannot be pulled.
    pub waiting_for_images: u64,
    /// Pods without such an image that are bound to no node.
    pub unscheduled: u64,
    /// Pods that are bound to a node and wait for something else.
    pub other: u64,
    /// Pods that agents do not judge because they are too large.
    pub too_large: u64,
    /// Pods that could not be read.
    pub unreadable: u64,
}

/// A row of the table: the Pods of one group and one cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Image, registry, namespace or node.
    pub name: String,
    /// Registries of the images.
    pub registries: Vec<String>,
    /// Cause of the failed pull.
    pub cause: Cause,
    /// Class of the cause.
    pub class: String,
    /// Meaning of the cause.
    pub meaning: String,
    /// The Pods, and what they hold.
    #[serde(flatten)]
    pub holding: Holding,
}

/// Pods that wait for images, and what they hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holding {
    /// Number of Pods.
    pub pods: u64,
    /// Number of images.
    pub images: usize,
    /// Number of nodes.
    pub nodes: usize,
    /// Number of namespaces.
    pub namespaces: usize,
    /// Number of controlling owners.
    pub owners: usize,
    /// Time since the first of them was bound to its node.
    pub oldest_seconds: Option<u64>,
    /// Requests of the Pods together.
    pub holds: Holds,
    /// Actions of agents on the Pods.
    pub would: Vec<PlanCount>,
}

/// Requests of Pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holds {
    /// Processor cores.
    pub cpu: f64,
    /// Bytes of memory.
    pub memory_bytes: f64,
    /// GPUs and other extended resources, by name.
    pub devices: BTreeMap<String, f64>,
}

/// An action of agents, and the number of Pods that it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanCount {
    /// The action.
    pub action: Act,
    /// Failures of the threshold; absent if only time counts, or nothing is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// Minimum duration; absent if only failures count, or nothing is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasting_seconds: Option<u64>,
    /// The same in words.
    pub text: String,
    /// Number of Pods.
    pub pods: u64,
}

/// Pods that agents failed lately and that still exist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// Time before the survey in which they were failed.
    pub within_seconds: u64,
    /// Number of Pods.
    pub pods: u64,
    /// Number of Pods by cause; `other` where the condition's reason is no cause.
    pub by_cause: BTreeMap<String, u64>,
}

impl Total {
    pub(super) fn of(table: &Table, unreadable: u64) -> Self {
        let waiting = table.total.pods;
        Self {
            pending: table.pending,
            waiting_for_images: waiting,
            unscheduled: table.unscheduled,
            other: table.pending - waiting - table.unscheduled - table.too_large,
            too_large: table.too_large,
            unreadable,
        }
    }
}

impl Rules {
    pub(super) fn of(policy: &Policy, config: Option<&str>) -> Self {
        Self {
            config: config.map(str::to_owned),
            mode: policy.mode.as_str().to_owned(),
        }
    }
}

/// Returns the rows, the one with the most Pods first.
pub(super) fn rows(table: &Table, now: Timestamp) -> Vec<Row> {
    let rows = table.groups.iter().map(|((name, cause), group)| {
        let registries = group
            .images
            .iter()
            .map(|image| Reference::of(image).registry);
        let registries: BTreeSet<&str> = registries.collect();
        Row {
            name: name.to_string(),
            registries: registries.into_iter().map(str::to_owned).collect(),
            cause: *cause,
            class: cause.class().as_str().to_owned(),
            meaning: cause.meaning().to_owned(),
            holding: Holding::of(group, now),
        }
    });
    let mut rows: Vec<Row> = rows.collect();
    // Stable: rows of as many Pods stay in the order of their names and causes.
    rows.sort_by_key(|row| Reverse(row.holding.pods));
    rows
}

impl Holding {
    pub(super) fn of(group: &Group, now: Timestamp) -> Self {
        let age = |since: Timestamp| now.duration_since(since).as_secs();
        let plans = group
            .plans
            .iter()
            .map(|(plan, pods)| PlanCount::of(plan, *pods));
        let mut would: Vec<PlanCount> = plans.collect();
        would.sort_by_key(|plan| Reverse(plan.pods));
        Self {
            pods: group.pods,
            images: group.images.len(),
            nodes: group.nodes.len(),
            namespaces: group.namespaces.len(),
            owners: group.owners.len(),
            oldest_seconds: group.oldest.map(|since| age(since).try_into().unwrap_or(0)),
            holds: Holds::of(group),
            would,
        }
    }
}

impl Holds {
    fn of(group: &Group) -> Self {
        let amount = |resource: &str| group.holds.get(resource).copied().unwrap_or(0.0);
        let devices = group.holds.iter().filter(|(name, _)| is_device(name));
        Self {
            cpu: amount("cpu"),
            memory_bytes: amount("memory"),
            devices: devices
                .map(|(name, amount)| (name.to_string(), *amount))
                .collect(),
        }
    }
}

impl PlanCount {
    fn of(plan: &Plan, pods: u64) -> Self {
        Self {
            action: plan.act,
            failures: plan.failures,
            lasting_seconds: plan.lasting.map(|lasting| lasting.as_secs()),
            text: plan.to_string(),
            pods,
        }
    }
}
