//! The survey's table: which Pods are in which row, and the plans for them.

mod plans;
mod table;

use std::collections::BTreeMap;

use pullwarden::evidence;
use pullwarden::judge::Cause;
use pullwarden::survey::{By, Group, Seen, Table};

use crate::support::pod::Pod;

/// A Pod as a survey reads it.
fn seen(pod: &Pod) -> Seen {
    Seen::of(&serde_json::from_value::<evidence::Pod>(pod.0.clone()).unwrap())
}

/// The table of these Pods, by the default configuration.
fn table<'a>(by: By, pods: impl IntoIterator<Item = &'a Pod>) -> Table {
    let config = pullwarden::config::Config::judged_by(serde_json::json!({})).unwrap();
    let mut table = Table::new(by, config.policy);
    pods.into_iter().for_each(|pod| table.add(&seen(pod)));
    table
}

/// The groups by their names and causes.
fn groups(table: &Table) -> BTreeMap<(&str, Cause), &Group> {
    let groups = table.groups.iter();
    groups
        .map(|((name, cause), group)| ((&name[..], *cause), group))
        .collect()
}
