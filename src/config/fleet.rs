//! Settings of the fleet budget, to and from the limits of the room `fleet`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kinds::{Count, Name, Places, Window, Word};
use crate::fleet::Limits;

/// The most Pods that all agents of the cluster fail in a span of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetBudget {
    /// With `on`, the agent enters a token into the ConfigMap `pullwarden-fleet` before it fails a Pod.
    /// If it cannot, it fails no Pod. With `off`, only the budget of each node counts.
    #[schemars(example = &"off")]
    pub enabled: Word<bool>,
    /// The span of time that every limit of the fleet budget is for.
    pub window: Window,
    /// The most Pods of the cluster that all agents fail within `fleetBudget.window`.
    pub pods: Count,
    /// The most of these Pods whose image is in the same registry.
    pub per_registry: Count,
    /// The most of these Pods in the same namespace.
    pub per_namespace: Count,
    /// The most of these Pods with the same owner, such as a Job.
    pub per_owner: Count,
    /// Namespaces with another limit than `fleetBudget.perNamespace`. With `0` no Pod of the
    /// namespace is failed. If several rules name a namespace, the lowest limit counts.
    #[schemars(
        title = "a list of {names, pods}",
        example = [serde_json::json!({"names": ["team-a"], "pods": 0})]
    )]
    pub namespaces: Vec<NamespaceLimit>,
}

/// Limit of some namespaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub struct NamespaceLimit {
    /// The namespaces' names.
    names: BTreeSet<Name>,
    /// The most Pods of each of these namespaces.
    pods: Places,
}

impl Default for FleetBudget {
    fn default() -> Self {
        Self {
            enabled: Word(true),
            window: Window::minutes(10),
            pods: Count::of(30),
            per_registry: Count::of(20),
            per_namespace: Count::of(20),
            per_owner: Count::of(10),
            namespaces: Vec::new(),
        }
    }
}

impl FleetBudget {
    /// The limits; `None` if there are none.
    pub(super) fn limits(&self) -> Option<Limits> {
        let mut namespaces: BTreeMap<String, u32> = BTreeMap::new();
        for NamespaceLimit { names, pods } in &self.namespaces {
            for Name(name) in names {
                let limit = namespaces.entry(name.clone()).or_insert(pods.0);
                *limit = pods.0.min(*limit);
            }
        }
        self.enabled.0.then(|| Limits {
            window: self.window.get(),
            pods: self.pods.0.get(),
            per_registry: self.per_registry.0.get(),
            per_namespace: self.per_namespace.0.get(),
            per_owner: self.per_owner.0.get(),
            namespaces,
        })
    }
}

impl From<Option<&Limits>> for FleetBudget {
    fn from(limits: Option<&Limits>) -> Self {
        let Some(limits) = limits else {
            return Self {
                enabled: Word(false),
                ..Self::default()
            };
        };
        let rule = |(name, pods): (&String, &u32)| NamespaceLimit {
            names: [Name(name.clone())].into(),
            pods: Places(*pods),
        };
        Self {
            enabled: Word(true),
            window: Window::of(limits.window),
            pods: Count::of(limits.pods),
            per_registry: Count::of(limits.per_registry),
            per_namespace: Count::of(limits.per_namespace),
            per_owner: Count::of(limits.per_owner),
            namespaces: limits.namespaces.iter().map(rule).collect(),
        }
    }
}
