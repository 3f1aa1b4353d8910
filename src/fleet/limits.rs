//! The limits, and the way in which tokens count against them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::token::{About, Token};

/// The most Pods that all agents fail within a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The span of time that every limit is for.
    pub window: Duration,
    /// Pods of the cluster.
    pub pods: u32,
    /// Pods whose image is in one registry.
    pub per_registry: u32,
    /// Pods of one namespace that `namespaces` does not name.
    pub per_namespace: u32,
    /// Pods of one owner.
    pub per_owner: u32,
    /// Pods of each of these namespaces.
    pub namespaces: BTreeMap<String, u32>,
}

/// The Pods that one limit is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All Pods.
    Cluster,
    /// Pods whose image is in this registry.
    Registry(String),
    /// Pods of this namespace.
    Namespace(String),
    /// Pods of this owner.
    Owner {
        /// Namespace of the owner.
        namespace: String,
        /// Kind and name of the owner, as `Job/train`.
        owner: String,
    },
}

/// Part of the fleet budget that lets no Pod be failed for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The Pods that it is for.
    pub scope: Scope,
    /// The limit that is reached; `None` if the object cannot be used.
    pub limit: Option<u32>,
    /// Seconds until it may be open again.
    pub seconds: u64,
    /// Reason, for people.
    pub why: String,
}

impl Closed {
    /// The whole budget, of which the object cannot be used.
    pub fn unusable(why: String, seconds: u64) -> Self {
        Self {
            scope: Scope::Cluster,
            limit: None,
            seconds,
            why,
        }
    }
}

impl Scope {
    /// Returns true if a Pod with this meaning belongs to it.
    pub fn has(&self, about: &About) -> bool {
        match self {
            Self::Cluster => true,
            Self::Registry(registry) => *registry == about.registry,
            Self::Namespace(namespace) => *namespace == about.namespace,
            Self::Owner { namespace, owner } => {
                *namespace == about.namespace && *owner == about.owner
            }
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("the cluster"),
            Self::Registry(registry) => write!(f, "the registry {registry}"),
            Self::Namespace(namespace) => write!(f, "the namespace {namespace}"),
            Self::Owner { namespace, owner } => write!(f, "the owner {namespace}/{owner}"),
        }
    }
}

impl Limits {
    /// Returns the limits that the other tokens have reached for this one. A token of the same Pod
    /// does not count.
    pub fn reached(&self, tokens: &[Token], wanted: &Token) -> Vec<Closed> {
        let scopes = self.scopes(&wanted.about);
        let closed = scopes.map(|(scope, limit)| {
            let counts = |token: &&Token| {
                scope.has(&token.about)
                    && self.is_recent(token, wanted.at)
                    && !token.is_of_same_pod(wanted)
            };
            let mut times: Vec<u64> = tokens.iter().filter(counts).map(|t| t.at).collect();
            let over = times.len().checked_sub(usize::try_from(limit).ok()?)?;
            times.sort_unstable();
            // With a limit of 0 no time frees a place. The agent asks again a window later.
            let frees = times.get(over).copied().unwrap_or(wanted.at);
            let window = self.window.as_secs();
            let seconds = frees.saturating_add(window).saturating_sub(wanted.at);
            let within = minutes(window);
            Some(Closed {
                why: format!("the fleet budget of {scope} is spent: {limit} Pods in {within}"),
                scope,
                limit: Some(limit),
                seconds: seconds.clamp(1, window.max(1)),
            })
        });
        closed.flatten().collect()
    }

    /// Returns true if the token counts at this time.
    fn is_recent(&self, token: &Token, now: u64) -> bool {
        token.age(now) < self.window.as_secs()
    }

    /// The limits that a Pod with this meaning counts against.
    fn scopes(&self, about: &About) -> impl Iterator<Item = (Scope, u32)> + use<> {
        let About {
            namespace,
            owner,
            registry,
            ..
        } = about.clone();
        let of_namespace = self.namespaces.get(&namespace);
        let per_namespace = of_namespace.copied().unwrap_or(self.per_namespace);
        let owner = Scope::Owner {
            namespace: namespace.clone(),
            owner,
        };
        [
            (Scope::Cluster, self.pods),
            (Scope::Registry(registry), self.per_registry),
            (Scope::Namespace(namespace), per_namespace),
            (owner, self.per_owner),
        ]
        .into_iter()
    }
}

fn minutes(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (minutes, 0) => format!("{minutes}m"),
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m {seconds}s"),
    }
}
