//! Form in which every source reports a Pod, and in which the node's log keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::id::PodId;
use super::source::Source;
use super::waiting::Waiting;

/// Pod as a source last reported it: the fields that the judge reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PodView {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.resourceVersion`, which orders the API server's reports. The kubelet's may be
    /// older than the status beside it. Empty if the source gave none.
    pub resource_version: String,
    /// `spec.nodeName`; empty until the Pod is bound to a node.
    pub node: String,
    /// `status.phase`.
    pub phase: Phase,
    /// True if `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// True for the API server's mirror of a static Pod.
    pub mirror: bool,
    /// `spec.restartPolicy`.
    pub restart_policy: RestartPolicy,
    /// Annotations that pullwarden reads.
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Controlling owner, if the Pod has one.
    pub owner: Option<Owner>,
    /// Text that is the same for all Pods below the same top of the chain of owners, such as a JobSet or
    /// a CronJob; `None` if the Pod names none above its controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<String>,
    /// True if one of the agent's conditions is True, after its first write.
    pub marked: bool,
    /// True if the Pod has the agent's deadline and annotation, after the agent's second write.
    pub ending: bool,
    /// Source of this report.
    #[serde(default)]
    pub source: Source,
    /// True for the first report of the Pod from a source that was just opened. It may be older
    /// than the reports before it.
    #[serde(default)]
    pub first: bool,
    /// True if the Pod is too large to be judged. The view then has no containers and no labels.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub too_large: bool,
    /// Init containers, then app containers, in the order of the spec. Each image that is mounted as
    /// a volume follows as if it were a container.
    pub containers: Vec<ContainerView>,
}

impl PodView {
    /// Returns the Pod's identity.
    pub fn id(&self) -> PodId {
        PodId {
            uid: self.uid.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Returns true if the Pod has a container of this name.
    pub fn has_container(&self, name: &str) -> bool {
        let mut containers = self.containers.iter();
        containers.any(|container| container.name == name)
    }

    /// Returns true if the Pod has started and no container of this image is waiting.
    pub fn has_started(&self, image: &str) -> bool {
        let mut of_image = self
            .containers
            .iter()
            .filter(|c| c.image == image)
            .peekable();
        let is_waiting = |c: &ContainerView| matches!(c.state, ContainerState::Waiting { .. });
        let is_there = of_image.peek().is_some();
        self.phase == Phase::Started && !self.deleting && is_there && !of_image.any(is_waiting)
    }
}

/// Controller that owns a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// `Job`, `ReplicaSet`, …
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// UID of the owner.
    pub uid: String,
}

/// `status.phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Not all containers have started yet.
    Pending,
    /// `Running` or `Succeeded`: the containers run, or have ended well.
    Started,
    /// Any other phase, also one that this version does not know.
    Other,
}

/// `spec.restartPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RestartPolicy {
    /// The Pod never ends by itself.
    Always,
    /// The Pod ends when it succeeds.
    OnFailure,
    /// The Pod ends in any case.
    Never,
}

impl RestartPolicy {
    /// Returns the word that Kubernetes uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::OnFailure => "OnFailure",
            Self::Never => "Never",
        }
    }
}

/// Container of a Pod, init or app.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContainerView {
    /// Name of the container, unique in its Pod.
    pub name: String,
    /// Image reference as in the Pod spec. With the Pod's UID it is the key of the kubelet's back-off
    /// and of the failure counts.
    pub image: String,
    /// `imagePullPolicy`.
    #[serde(default)]
    pub pull_policy: PullPolicy,
    /// State as in the Pod's status.
    pub state: ContainerState,
}

impl ContainerView {
    /// Returns true if the kubelet has pulled the image.
    pub fn is_past_pull(&self) -> bool {
        match &self.state {
            ContainerState::Waiting { reason, .. } => Waiting::of(reason) == Waiting::Pulled,
            ContainerState::Running | ContainerState::Terminated => true,
        }
    }
}

/// `imagePullPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PullPolicy {
    /// The kubelet pulls whenever it starts a container.
    Always,
    /// The kubelet pulls if the image is not on the node.
    #[default]
    IfNotPresent,
    /// The kubelet never pulls.
    Never,
}

/// State of a container, as far as pulling is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContainerState {
    /// `state.waiting`; both texts are empty if there is no status yet.
    Waiting {
        /// `waiting.reason`.
        reason: String,
        /// `waiting.message`.
        message: String,
    },
    /// `state.running`: the kubelet has pulled the image.
    Running,
    /// `state.terminated`: the container ran, so the kubelet has pulled the image.
    Terminated,
}
