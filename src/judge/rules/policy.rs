//! The node's policy, and the rules that it makes for one Pod.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::annotation::{PodMode, Wishes};
use super::selector::Selector;
use super::threshold::Thresholds;
use crate::judge::{Phase, PodView, Reason, RestartPolicy, Standing};

/// Minimum duration of a standing reason of the kubelet's own where the user gave a failure count.
/// An error's text keeps the minimum duration of its class: the error may pass by itself.
const STANDING_WITH_COUNT: Duration = Duration::from_secs(30);

/// Part of the node's configuration that the judge reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name of the agent's node. Pods of other nodes are not judged.
    pub node: String,
    /// The most that the agent may do on this node.
    pub mode: NodeMode,
    /// `imagePullFailureCount` of the node.
    pub failure_count: Option<NonZeroU32>,
    /// Thresholds per class.
    pub thresholds: Thresholds,
    /// Pods that are judged.
    pub scope: Scope,
    /// Way in which a Pod is failed.
    pub action: Action,
    /// True if the runtime is asked to pull the image before a Pod is failed.
    pub second_opinion: bool,
    /// Labels of namespaces, where known. They are only read where a rule selects by labels.
    pub namespace_labels: BTreeMap<String, BTreeMap<String, String>>,
}

/// Way in which a Pod is failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// The Pod gets a deadline that has passed: the kubelet makes it Failed.
    #[default]
    Fail,
    /// The Pod is deleted.
    Delete,
}

impl Action {
    /// Returns the word used in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Delete => "delete",
        }
    }
}

/// Mode of a node: the most that the agent may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeMode {
    /// Announce the Pods that it would fail, and write to none.
    Observe,
    /// Fail only Pods that ask for it with `pullwarden.io/mode: enforce`.
    OptIn,
    /// Fail Pods in scope.
    Enforce,
}

impl NodeMode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Observe, Self::OptIn, Self::Enforce];

    /// Returns the word used in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::OptIn => "opt-in",
            Self::Enforce => "enforce",
        }
    }
}

/// Pods that are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Restart policies that are in scope although the Pod does not ask.
    pub restart_policies: Vec<RestartPolicy>,
    /// Namespaces that are exempt.
    pub exclude_namespaces: BTreeSet<String>,
    /// Namespaces in which the agent may do less than the node's mode allows.
    pub namespaces: Vec<NamespaceRule>,
}

/// Lower mode for some namespaces. Of several rules for one namespace the lowest mode counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceRule {
    /// Namespaces by name.
    pub names: BTreeSet<String>,
    /// Namespaces by label.
    pub selector: Option<Selector>,
    /// The most that the agent may do there.
    pub mode: PodMode,
}

/// Rules for one Pod: the node's policy and the Pod's annotations, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodRules {
    /// True if the Pod may be written to. Otherwise the agent only announces that it would fail it.
    pub enforce: bool,
    /// Failure count that the user gave, for the node or for the Pod.
    pub count: Option<NonZeroU32>,
    /// True if a rule selects namespaces by labels, and those of the Pod's are not known yet:
    /// nothing may be decided.
    pub labels_unknown: bool,
}

impl Policy {
    /// Returns true if a namespace is exempt.
    pub fn excludes(&self, namespace: &str) -> bool {
        self.scope.exclude_namespaces.contains(namespace)
    }

    /// Returns true if a rule selects namespaces by labels, and this one is not exempt.
    pub fn goes_by_labels(&self, namespace: &str) -> bool {
        let selects = |rule: &NamespaceRule| rule.selector.is_some();
        self.scope.namespaces.iter().any(selects) && !self.excludes(namespace)
    }

    /// Returns true if the labels of this namespace are needed and not known.
    fn lacks_labels(&self, namespace: &str) -> bool {
        self.goes_by_labels(namespace) && !self.namespace_labels.contains_key(namespace)
    }

    /// Returns the mode of a namespace, as far as its labels are known.
    fn namespace_mode(&self, namespace: &str) -> PodMode {
        let labels = self.namespace_labels.get(namespace);
        let selects = |rule: &NamespaceRule| {
            let selector = rule.selector.as_ref();
            selector.is_some_and(|s| labels.is_some_and(|labels| s.matches(labels)))
        };
        let of = |rule: &&NamespaceRule| rule.names.contains(namespace) || selects(rule);
        let rules = self.scope.namespaces.iter().filter(of);
        let lowest = rules.map(|rule| rule.mode).min();
        lowest.unwrap_or(PodMode::Enforce)
    }

    /// Returns the rules for a Pod. Annotations that cannot be read are ignored.
    ///
    /// # Errors
    /// The reason why the Pod is not judged.
    pub fn rules_for(&self, view: &PodView) -> Result<PodRules, Reason> {
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
        Ok(PodRules {
            enforce: enforce && ceiling == PodMode::Enforce,
            count: wishes.count.or(self.failure_count),
            labels_unknown: self.lacks_labels(&view.namespace),
        })
    }

    /// Returns the minimum duration of a standing reason; `None` if it never fails a Pod.
    pub(in crate::judge) fn minimum_of(
        &self,
        standing: Standing,
        rules: &PodRules,
    ) -> Option<Duration> {
        let threshold = self.thresholds.of(standing.cause.class())?;
        Some(match rules.count {
            Some(_) if !standing.free_text => STANDING_WITH_COUNT,
            _ => threshold.lasting,
        })
    }
}
