use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::judge::{
    Class, Phase, PodMode, PodView, Reason, RestartPolicy, Selector, Standing, Wishes,
};

/// How long a standing reason of the kubelet's own must have stood where the user gave a failure
/// count. An error's text gets its class's patience: it may pass by itself.
const STANDING_WITH_COUNT: Duration = Duration::from_secs(30);

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
    /// What is done to a Pod whose time has come.
    pub action: Action,
    /// Whether the runtime itself is asked to pull before a Pod is failed.
    pub second_opinion: bool,
    /// The labels of the namespaces whose labels are known; only asked for where a rule goes by labels.
    pub namespace_labels: BTreeMap<String, BTreeMap<String, String>>,
}

/// What is done to a Pod whose time has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// It gets a deadline that has passed: the kubelet makes it Failed.
    #[default]
    Fail,
    /// It is deleted.
    Delete,
}

impl Action {
    /// The word used in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Delete => "delete",
        }
    }
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
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Observe, Self::OptIn, Self::Enforce];

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
    /// Namespaces in which less may be done than the node's mode allows.
    pub namespaces: Vec<NamespaceRule>,
}

/// Lowers the mode for some namespaces. Of several rules for one namespace the lowest mode counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceRule {
    /// The namespaces of these names.
    pub names: BTreeSet<String>,
    /// The namespaces whose labels are like this.
    pub selector: Option<Selector>,
    /// The most that may be done there.
    pub mode: PodMode,
}

/// The rules one Pod is judged under: the node's policy and the Pod's annotations, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footing {
    /// Whether the Pod may be written to. Otherwise what would be done is said, and nothing more.
    pub enforce: bool,
    /// The failure count that the user gave, for the node or for the Pod.
    pub count: Option<NonZeroU32>,
    /// Whether a rule goes by the namespace's labels, and they are not known yet: nothing may be decided.
    pub unsure: bool,
}

impl Policy {
    /// Whether a namespace is left alone altogether.
    pub fn excludes(&self, namespace: &str) -> bool {
        self.scope.exclude_namespaces.contains(namespace)
    }

    /// Whether a rule goes by the labels of this namespace, and they are not known.
    pub fn asks_for_labels(&self, namespace: &str) -> bool {
        let selects = |rule: &NamespaceRule| rule.selector.is_some();
        self.scope.namespaces.iter().any(selects) && !self.namespace_labels.contains_key(namespace)
    }

    /// The most that may be done in a namespace, as far as its labels are known.
    fn namespace_mode(&self, namespace: &str) -> PodMode {
        let labels = self.namespace_labels.get(namespace);
        let selects = |rule: &NamespaceRule| {
            let selector = rule.selector.as_ref();
            selector.is_some_and(|s| labels.is_some_and(|labels| s.matches(labels)))
        };
        let of = |rule: &&NamespaceRule| rule.names.contains(namespace) || selects(rule);
        let modes = self
            .scope
            .namespaces
            .iter()
            .filter(of)
            .map(|rule| rule.mode);
        modes.min().unwrap_or(PodMode::Enforce)
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
        let wishes = Wishes::of(&view.annotations);
        if wishes.mode == Some(PodMode::Off) {
            return Err(Reason::SwitchedOff);
        }
        let ceiling = self.namespace_mode(&view.namespace);
        if ceiling == PodMode::Off {
            return Err(Reason::NamespaceSwitchedOff);
        }
        let asks = wishes.mode == Some(PodMode::Enforce) || wishes.count.is_some();
        if !asks && !self.scope.restart_policies.contains(&view.restart_policy) {
            return Err(Reason::RestartPolicyNotCovered(view.restart_policy));
        }
        if view.too_large {
            return Err(Reason::TooLarge);
        }
        let enforce = match self.mode {
            NodeMode::Observe => false,
            NodeMode::OptIn => wishes.mode == Some(PodMode::Enforce),
            NodeMode::Enforce => wishes.mode != Some(PodMode::Observe),
        };
        Ok(Footing {
            enforce: enforce && ceiling == PodMode::Enforce,
            count: wishes.count.or(self.failure_count),
            unsure: self.asks_for_labels(&view.namespace),
        })
    }

    /// How long a standing reason must have stood; `None` if it never condemns.
    pub(in crate::judge) fn standing_for(
        &self,
        standing: Standing,
        footing: &Footing,
    ) -> Option<Duration> {
        let threshold = self.thresholds.of(standing.cause.class())?;
        Some(match footing.count {
            Some(_) if !standing.free_text => STANDING_WITH_COUNT,
            _ => threshold.lasting,
        })
    }
}
