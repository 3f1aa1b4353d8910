//! The node's policy, and the rules that it makes for one Pod.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::annotation::{PodMode, Wishes};
use super::counts::Counts;
use super::defaults::{CountRange, Namespaces};
use super::mirrors::BehindMirror;
use super::observing::Observing;
use super::pods::PodRule;
use super::selector::Selector;
use super::threshold::Thresholds;
use crate::fleet::Limits;
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
    /// Registries whose "not found" may be a mirror's.
    pub behind_mirror: BehindMirror,
    /// Pods that are judged.
    pub scope: Scope,
    /// Way in which a Pod is failed.
    pub action: Action,
    /// The most Pods that all agents of the cluster fail; `None` if there is no such limit.
    pub fleet: Option<Limits>,
    /// Steps around the writes that may be switched off.
    pub switches: Switches,
    /// Namespaces that are known. They are only read where rules use labels or annotations.
    pub namespaces: Namespaces,
}

/// Steps around the writes that may be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// True if the runtime is asked to pull the image before a Pod is failed.
    pub second_opinion: bool,
    /// True if owners of a failed Pod get an Event too.
    pub owner_events: bool,
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
    /// Counts that the annotations of namespaces may ask for; `None` if the agent does not use
    /// annotations of namespaces.
    pub namespace_annotations: Option<CountRange>,
    /// Pods in scope; all if there is no rule. The agent only observes any other Pod.
    pub pods: Vec<PodRule>,
}

impl Scope {
    /// Returns true if rules use the labels or annotations of namespaces.
    pub fn reads_namespaces(&self) -> bool {
        let selects = |rule: &NamespaceRule| rule.selector.is_some();
        self.namespace_annotations.is_some() || self.namespaces.iter().any(selects)
    }

    fn covers(&self, view: &PodView) -> bool {
        self.pods.is_empty() || self.pods.iter().any(|rule| rule.covers(view))
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRules {
    /// Reason why the agent only announces that it would fail the Pod; `None` if it may write to it.
    pub observing: Option<Observing>,
    /// Failure counts that the user gave, for the node, the Pod or its containers.
    pub counts: Counts,
    /// True if rules use the labels or annotations of the Pod's namespace, and these are not known
    /// yet: nothing may be decided.
    pub namespace_unknown: bool,
}

impl PodRules {
    /// Returns true if the Pod may be written to. Otherwise the agent only announces that it would
    /// fail it.
    pub const fn enforce(&self) -> bool {
        self.observing.is_none()
    }
}

impl Policy {
    /// Returns true if a namespace is exempt.
    pub fn excludes(&self, namespace: &str) -> bool {
        self.scope.exclude_namespaces.contains(namespace)
    }

    /// Returns true if rules use the labels or annotations of namespaces, and this one is not exempt.
    pub fn reads_namespace(&self, namespace: &str) -> bool {
        self.scope.reads_namespaces() && !self.excludes(namespace)
    }

    /// Returns true if this namespace is needed and not known.
    fn lacks_namespace(&self, namespace: &str) -> bool {
        self.reads_namespace(namespace) && !self.namespaces.contains_key(namespace)
    }

    /// Returns the wishes of a namespace for its Pods, as far as its annotations are known and allowed.
    fn defaults(&self, namespace: &str) -> Wishes {
        let allowed = self.scope.namespace_annotations.as_ref();
        let known = self.namespaces.get(namespace);
        let wishes = allowed.zip(known).map(|(range, known)| range.wishes(known));
        wishes.unwrap_or_default()
    }

    /// Returns the mode of a namespace, as far as its labels are known.
    fn namespace_mode(&self, namespace: &str) -> PodMode {
        let known = self.namespaces.get(namespace);
        let selects = |rule: &NamespaceRule| {
            let selector = rule.selector.as_ref();
            selector.is_some_and(|s| known.is_some_and(|known| s.matches(&known.labels)))
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
        let defaults = self.defaults(&view.namespace);
        if wishes.mode.is_none() && defaults.mode == Some(PodMode::Off) {
            return Err(Reason::NamespaceAnnotatedOff);
        }
        let counts = wishes.counts(view);
        // A namespace's default brings in no Pod that did not ask itself.
        let asks = wishes.mode == Some(PodMode::Enforce) || counts.is_any();
        if !asks && !self.scope.restart_policies.contains(&view.restart_policy) {
            return Err(Reason::RestartPolicyNotCovered(view.restart_policy));
        }
        if view.too_large {
            return Err(Reason::TooLarge);
        }
        let mode = wishes.mode.or(defaults.mode);
        let observing = match self.mode {
            NodeMode::Observe => Some(Observing::Node),
            NodeMode::OptIn if mode != Some(PodMode::Enforce) => Some(Observing::NotAsked),
            _ if wishes.mode == Some(PodMode::Observe) => Some(Observing::Pod),
            _ if mode == Some(PodMode::Observe) => Some(Observing::Namespace),
            _ if ceiling != PodMode::Enforce => Some(Observing::Rule),
            _ if !self.scope.covers(view) => Some(Observing::OutOfScope),
            _ => None,
        };
        let node = Counts {
            others: self.failure_count,
            ..Counts::default()
        };
        Ok(PodRules {
            observing,
            counts: counts.or(defaults.counts(view)).or(node),
            namespace_unknown: self.lacks_namespace(&view.namespace),
        })
    }

    /// Returns the minimum duration of a standing reason, where the user gave this failure count;
    /// `None` if it never fails a Pod.
    pub(in crate::judge) fn minimum_of(
        &self,
        standing: Standing,
        count: Option<NonZeroU32>,
    ) -> Option<Duration> {
        let threshold = self.thresholds.of(standing.cause.class())?;
        Some(match count {
            Some(_) if !standing.free_text => STANDING_WITH_COUNT,
            _ => threshold.lasting,
        })
    }
}
