use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::waiting::Waiting;

/// One Pod as last reported, whichever source reported it. Only what the judge reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PodView {
    /// `metadata.uid`; another Pod of the same name has another.
    pub uid: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.resourceVersion`, to tell an older view from a newer one; the kubelet's may be behind its status. Empty if the source
    /// gave none.
    pub resource_version: String,
    /// `spec.nodeName`; empty while unbound.
    pub node: String,
    /// `status.phase`.
    pub phase: Phase,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Whether the Pod is the API server's mirror of a static Pod.
    pub mirror: bool,
    /// `spec.restartPolicy`.
    pub restart_policy: RestartPolicy,
    /// The annotations that pullwarden reads.
    pub annotations: BTreeMap<String, String>,
    /// The controlling owner, if there is one.
    pub owner: Option<Owner>,
    /// Whether the condition `pullwarden.io/ImagePullFailed` is True: our first write was made.
    pub marked: bool,
    /// Whether our deadline and our annotation are on the Pod: our second write was made.
    pub ending: bool,
    /// Who reported it.
    #[serde(default)]
    pub source: Source,
    /// Whether it is the first that a freshly opened source says of the Pod: that may be older than what was seen before.
    #[serde(default)]
    pub first: bool,
    /// Whether the Pod is too large to be judged: then no container is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub too_large: bool,
    /// Init containers, then app containers, as the Pod lists them; then, as if they were containers, the images that these mount.
    pub containers: Vec<ContainerView>,
}

impl PodView {
    /// Whether the Pod has started, its containers of this image past their pull.
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

/// Who reports Pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The API server: what the kubelet has written to it.
    #[default]
    ApiServer,
    /// The kubelet's own socket: its live status.
    Kubelet,
}

impl Source {
    /// The word used in the configuration, in logs and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiServer => "apiserver",
            Self::Kubelet => "kubelet",
        }
    }
}

/// The controller that owns a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// `Job`, `ReplicaSet`, …
    pub kind: String,
    /// The owner's name.
    pub name: String,
    /// The owner's UID.
    pub uid: String,
}

/// `status.phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Not all containers have been started yet.
    Pending,
    /// `Running` or `Succeeded`: its containers run, or have run to a good end.
    Started,
    /// Any other phase, and one that is not known to us.
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
    /// Kubernetes' own word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::OnFailure => "OnFailure",
            Self::Never => "Never",
        }
    }
}

/// One container, init or app, of a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContainerView {
    /// The container's name, unique in its Pod.
    pub name: String,
    /// The image reference as the Pod's spec has it; with the Pod's UID the key of kubelet's back-off and of our counts.
    pub image: String,
    /// When the kubelet pulls the image.
    #[serde(default)]
    pub pull_policy: PullPolicy,
    /// What the status says of it.
    pub state: ContainerState,
}

impl ContainerView {
    /// Whether its image was pulled.
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
    /// Whenever a container is started.
    Always,
    /// When the image is not on the node.
    #[default]
    IfNotPresent,
    /// Never.
    Never,
}

/// The state of a container, as far as pulling is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContainerState {
    /// `state.waiting`, or no status yet (both empty).
    Waiting {
        /// `waiting.reason`.
        reason: String,
        /// `waiting.message`.
        message: String,
    },
    /// `state.running`: its image was pulled.
    Running,
    /// `state.terminated`: it ran, so its image was pulled.
    Terminated,
}
