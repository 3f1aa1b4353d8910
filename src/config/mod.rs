//! The configuration: flags over environment over the YAML file over defaults, every fault at once.
//! A new key is a field in `settings`, with its default. All else is made from there.

mod brakes;
mod document;
mod fault;
mod fleet;
mod given;
mod judging;
mod keys;
pub mod kinds;
mod load;
mod mirrors;
mod namespaces;
mod pods;
mod selector;
pub mod settings;

use std::time::Duration;

pub use fault::{Fault, Faults, Source};
pub use given::Given;
pub use keys::{KEYS, Key, schema};
pub use load::load;
pub use settings::Startup;

use crate::judge::{BrakeRules, Policy};

/// Sources that may report Pending Pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The kubelet's socket where it answers, else the API server.
    Auto,
    /// This source; no other is ever opened.
    Only(crate::judge::Source),
}

impl Evidence {
    /// Returns the word used in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Only(source) => source.as_str(),
        }
    }
}

/// Form of the process's own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people on standard error.
    #[default]
    Text,
    /// JSON objects on standard error, and each line of the node's log on standard output.
    Json,
}

/// The name of the Pod that the agent runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A configuration without faults. There is no way to make one that has any but by hand, in tests.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The rules of the judge.
    pub policy: Policy,
    /// The limits that hold verdicts.
    pub brake: BrakeRules,
    /// The time after the first start on a boot in which the agent only watches.
    pub warm_up: Duration,
    /// The source that reports Pending Pods.
    pub evidence: Evidence,
    /// The time between two polls of the runtime.
    pub poll: Duration,
    /// True if metrics show registries too.
    pub registry_metrics: bool,
    /// The settings that the agent reads at its start only.
    pub startup: Startup,
}

impl Config {
    /// Returns the keys that differ in another configuration and that the agent reads at its start only.
    pub fn needs_restart(&self, other: &Self) -> Vec<String> {
        let keys = |config: &Self| serde_json::to_value(&config.startup).unwrap_or_default();
        let (own, others) = (keys(self), keys(other));
        let own = own.as_object().into_iter().flatten();
        let changed = own.filter(|(path, value)| others.get(path.as_str()) != Some(*value));
        changed.map(|(path, _)| path.clone()).collect()
    }
}
