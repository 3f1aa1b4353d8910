use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use super::{Class, Phase, PodView, Reason, RestartPolicy};

/// `pullwarden.io/mode`: `off`, `observe` or `enforce`. Lowers the node's mode for one Pod, never raises it.
pub const ANNOTATION_MODE: &str = "pullwarden.io/mode";

/// `pullwarden.io/image-pull-failure-count`: the Pod's own `imagePullFailureCount`.
pub const ANNOTATION_FAILURE_COUNT: &str = "pullwarden.io/image-pull-failure-count";

/// How long a standing reason must have stood where the user gave a failure count.
const STANDING_WITH_COUNT: Duration = Duration::from_secs(30);

/// Pods with `restartPolicy: Always` wait at least this long from their first failure: their controller makes a new one at once.
const ALWAYS_WAITS: Duration = Duration::from_secs(600);

/// What the node's configuration says about judging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The node that the agent runs on; Pods of others are not judged.
    pub node: String,
    /// The most that may be done on this node.
    pub mode: NodeMode,
    /// `imagePullFailureCount` of the node.
    pub failure_count: Option<NonZeroU32>,
    /// The patience per class.
    pub thresholds: Thresholds,
    /// Which Pods are judged.
    pub scope: Scope,
}

/// The most that may be done on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeMode {
    /// Say what would be done; write to no Pod.
    Observe,
    /// Fail only Pods that say `pullwarden.io/mode: enforce`.
    OptIn,
    /// Fail Pods in scope.
    Enforce,
}

impl NodeMode {
    /// The word used in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::OptIn => "opt-in",
            Self::Enforce => "enforce",
        }
    }
}

/// How many failures, over how long, a class takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Consecutive failures.
    pub failures: NonZeroU32,
    /// From the first of them to the last.
    pub lasting: Duration,
}

/// The threshold of each class that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds(BTreeMap<Class, Threshold>);

impl Thresholds {
    /// The thresholds per class. Unknown errors have transient's, and the node's own trouble never has any.
    pub fn new(
        permanent: Threshold,
        denied: Threshold,
        corrupt: Threshold,
        transient: Threshold,
    ) -> Self {
        Self(BTreeMap::from([
            (Class::Permanent, permanent),
            (Class::Denied, denied),
            (Class::Corrupt, corrupt),
            (Class::Transient, transient),
            (Class::Unknown, transient),
        ]))
    }

    /// The threshold of a class; `None` for one that never condemns.
    pub fn of(&self, class: Class) -> Option<Threshold> {
        self.0.get(&class).copied()
    }
}

/// Which Pods are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Restart policies that are in scope without the Pod asking.
    pub restart_policies: Vec<RestartPolicy>,
    /// Namespaces that are left alone.
    pub exclude_namespaces: BTreeSet<String>,
}

/// The rules one Pod is judged under: the node's policy and the Pod's annotations, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footing {
    /// Whether the Pod may be written to. Otherwise what would be done is said, and nothing more.
    pub enforce: bool,
    /// The failure count that the user gave, for the node or for the Pod.
    pub count: Option<NonZeroU32>,
    /// Nothing is decided before this long after the first failure.
    pub at_least: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PodMode {
    Off,
    Observe,
    Enforce,
}

impl Policy {
    /// Whether a namespace is left alone altogether.
    pub fn excludes(&self, namespace: &str) -> bool {
        self.scope.exclude_namespaces.contains(namespace)
    }

    /// The rules a Pod is judged under, or why it is not judged.
    ///
    /// Annotations that cannot be read are ignored: the Pod is judged as if it had none.
    pub fn footing(&self, view: &PodView) -> Result<Footing, Reason> {
        if view.phase != Phase::Pending {
            return Err(Reason::NotPending);
        }
        if view.node != self.node {
            return Err(Reason::NotOnThisNode);
        }
        if view.deleting {
            return Err(Reason::Terminating);
        }
        if view.mirror {
            return Err(Reason::MirrorPod);
        }
        if self.excludes(&view.namespace) {
            return Err(Reason::NamespaceExcluded);
        }
        let annotation = |key| view.annotations.get(key).map(String::as_str);
        let mode = match annotation(ANNOTATION_MODE) {
            Some("off") => Some(PodMode::Off),
            Some("observe") => Some(PodMode::Observe),
            Some("enforce") => Some(PodMode::Enforce),
            _ => None,
        };
        let own_count =
            annotation(ANNOTATION_FAILURE_COUNT).and_then(|n| n.parse::<NonZeroU32>().ok());
        if mode == Some(PodMode::Off) {
            return Err(Reason::SwitchedOff);
        }
        let asks = mode == Some(PodMode::Enforce) || own_count.is_some();
        if !asks && !self.scope.restart_policies.contains(&view.restart_policy) {
            return Err(Reason::RestartPolicyNotCovered(view.restart_policy));
        }
        let enforce = match self.mode {
            NodeMode::Observe => false,
            NodeMode::OptIn => mode == Some(PodMode::Enforce),
            NodeMode::Enforce => mode != Some(PodMode::Observe),
        };
        Ok(Footing {
            enforce,
            count: own_count.or(self.failure_count),
            at_least: if view.restart_policy == RestartPolicy::Always {
                ALWAYS_WAITS
            } else {
                Duration::ZERO
            },
        })
    }

    /// How long a standing reason of `class` must have stood; `None` if it never condemns.
    pub(super) fn standing_for(&self, class: Class, footing: &Footing) -> Option<Duration> {
        let threshold = self.thresholds.of(class)?;
        Some(match footing.count {
            Some(_) => STANDING_WITH_COUNT,
            None => threshold.lasting,
        })
    }
}
