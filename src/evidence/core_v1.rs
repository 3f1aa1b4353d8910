//! The part of a core/v1 Pod that is read, from the API server's JSON or the kubelet's protobuf.
//! Decoding skips everything else.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use serde::Deserialize;

use crate::judge::Wishes;
use crate::pod_fields::{ANNOTATION_FAILED_AT, MOST_ANNOTATIONS};

/// A Pod.
#[derive(Clone, Debug, Deserialize)]
pub struct Pod {
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) spec: Spec,
    #[serde(default)]
    pub(super) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    pub(super) node_name: String,
    pub(super) restart_policy: String,
    pub(super) active_deadline_seconds: Option<i64>,
    pub(super) init_containers: Vec<Container>,
    pub(super) containers: Vec<Container>,
    pub(super) volumes: Vec<Volume>,
    pub(super) resources: Resources,
    pub(super) overhead: Quantities,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) image_pull_policy: String,
    pub(super) volume_mounts: Vec<Mount>,
    /// Only sidecars have one.
    pub(super) restart_policy: String,
    pub(super) resources: Resources,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    pub(super) phase: String,
    pub(super) conditions: Vec<Condition>,
    pub(super) init_container_statuses: Vec<ContainerStatus>,
    pub(super) container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Condition {
    pub(super) r#type: String,
    pub(super) status: String,
    pub(super) reason: String,
    /// Time as text: a time that cannot be read must not hide the Pod.
    pub(super) last_transition_time: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerStatus {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) state: State,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) waiting: Option<Waiting>,
    pub(super) running: Option<Empty>,
    pub(super) terminated: Option<Empty>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Waiting {
    pub(super) reason: String,
    pub(super) message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Empty {}

/// Only what is read of the metadata; managed fields alone are often larger than the rest of the Pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "WireMetadata")]
pub(super) struct Metadata {
    pub(super) object: ObjectMeta,
    /// Number of the Pod's annotations, including those that are not kept.
    pub(super) annotations: usize,
    /// Bytes of the Pod's labels, including those that are not kept.
    pub(super) labels: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMetadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    annotations: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

impl From<WireMetadata> for Metadata {
    fn from(metadata: WireMetadata) -> Self {
        let bytes = metadata.labels.as_ref().map_or(0, bytes);
        Self {
            annotations: metadata.annotations.as_ref().map_or(0, BTreeMap::len),
            labels: bytes,
            object: ObjectMeta {
                name: metadata.name,
                namespace: metadata.namespace,
                uid: metadata.uid,
                resource_version: metadata.resource_version,
                creation_timestamp: metadata.creation_timestamp,
                deletion_timestamp: metadata.deletion_timestamp,
                annotations: metadata.annotations.map(read),
                labels: metadata.labels.map(|labels| read_labels(labels, bytes)),
                owner_references: metadata.owner_references,
                ..ObjectMeta::default()
            },
        }
    }
}

/// Those of the annotations that are read; nobody else's are kept.
pub(super) fn read(
    annotations: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let kept =
        |key: &String| Wishes::container_of(key).is_some() || ANNOTATIONS.contains(&key.as_str());
    annotations
        .into_iter()
        .filter(|(key, _)| kept(key))
        .collect()
}

/// Bytes of labels.
pub(super) fn bytes<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> usize {
    let labels = labels.into_iter();
    labels.map(|(key, value)| key.len() + value.len()).sum()
}

/// Those of the labels that are kept: all, unless they are too large.
pub(super) fn read_labels(
    labels: impl IntoIterator<Item = (String, String)>,
    bytes: usize,
) -> BTreeMap<String, String> {
    let labels = labels.into_iter();
    labels
        .filter(|(key, _)| bytes <= LABELS || LABELS_OF_OWNERS.contains(&key.as_str()))
        .collect()
}

/// Set by the kubelet on the API server's mirror of a static Pod.
pub(super) const ANNOTATION_MIRROR: &str = "kubernetes.io/config.mirror";

/// Source from which the kubelet has a Pod: `api`, or a static Pod's `file` or `http`. Only the
/// kubelet's own view has it.
pub(super) const ANNOTATION_SOURCE: &str = "kubernetes.io/config.source";

/// Annotations that are kept besides those that the judge reads.
const ANNOTATIONS: [&str; 3] = [ANNOTATION_MIRROR, ANNOTATION_SOURCE, ANNOTATION_FAILED_AT];

/// Name and UID of the JobSet above a Pod. JobSet 0.11.1 writes both, 0.8.0 only the name.
pub(super) const JOB_SET: [&str; 2] = [
    "jobset.sigs.k8s.io/jobset-name",
    "jobset.sigs.k8s.io/jobset-uid",
];

/// Name and UID of the Tekton PipelineRun above a Pod. Tekton 1.0.0 writes both.
pub(super) const PIPELINE_RUN: [&str; 2] = ["tekton.dev/pipelineRun", "tekton.dev/pipelineRunUID"];

/// Most bytes of all labels of a Pod that is judged.
pub(super) const LABELS: usize = 8 * 1024;

/// Labels that are kept in any case.
const LABELS_OF_OWNERS: [&str; 4] = [JOB_SET[0], JOB_SET[1], PIPELINE_RUN[0], PIPELINE_RUN[1]];

/// A volume, if it is an image.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) image: Option<ImageSource>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ImageSource {
    pub(super) reference: String,
    pub(super) pull_policy: String,
}

/// Mount of a volume in a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Mount {
    pub(super) name: String,
}

/// The part of `resources` that is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resources {
    pub(super) requests: Quantities,
}

/// Amounts by resource, as Kubernetes writes them.
pub(super) type Quantities = BTreeMap<String, String>;

impl Pod {
    /// Returns false where the Pod has so many annotations that the admission policy lets an agent
    /// add none.
    pub fn may_be_annotated(&self) -> bool {
        self.metadata.annotations <= MOST_ANNOTATIONS
    }
}

impl kube::Resource for Pod {
    type DynamicType = ();
    type Scope = kube::core::NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Pod".into()
    }
    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }
    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }
    fn plural((): &()) -> Cow<'_, str> {
        "pods".into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata.object
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata.object
    }
}
