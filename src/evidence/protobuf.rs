//! A core/v1 Pod from protobuf.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use k8s_openapi::jiff::Timestamp;
use prost::Message as _;

use super::core_v1::{self, ImageSource, Mount, Pod, Volume};

pub(super) mod wire {
    include!(concat!(env!("OUT_DIR"), "/core.v1.rs"));
}

/// Reads a core/v1 Pod in protobuf, as the kubelet sends it.
///
/// # Errors
/// If the bytes are no Pod.
pub fn pod_from_protobuf(bytes: &[u8]) -> Result<Pod, prost::DecodeError> {
    let pod = wire::Pod::decode(bytes)?;
    Ok(Pod {
        metadata: pod.metadata.unwrap_or_default().into(),
        spec: pod.spec.unwrap_or_default().into(),
        status: pod.status.unwrap_or_default().into(),
    })
}

impl From<wire::ObjectMeta> for core_v1::Metadata {
    fn from(metadata: wire::ObjectMeta) -> Self {
        let owner = |owner: wire::OwnerReference| OwnerReference {
            kind: owner.kind,
            name: owner.name,
            uid: owner.uid,
            controller: owner.controller,
            ..OwnerReference::default()
        };
        let time =
            |time: wire::Time| Time(Timestamp::from_second(time.seconds).unwrap_or_default());
        let bytes = core_v1::bytes(&metadata.labels);
        Self {
            annotations: metadata.annotations.len(),
            labels: bytes,
            object: ObjectMeta {
                name: Some(metadata.name),
                namespace: Some(metadata.namespace),
                uid: Some(metadata.uid),
                resource_version: Some(metadata.resource_version),
                deletion_timestamp: metadata.deletion_timestamp.map(time),
                annotations: Some(core_v1::read(metadata.annotations)),
                labels: Some(core_v1::read_labels(metadata.labels, bytes)),
                owner_references: Some(metadata.owner_references.into_iter().map(owner).collect()),
                ..ObjectMeta::default()
            },
        }
    }
}

impl From<wire::PodSpec> for core_v1::Spec {
    fn from(spec: wire::PodSpec) -> Self {
        let mount = |mount: wire::VolumeMount| Mount { name: mount.name };
        let container = |container: wire::Container| core_v1::Container {
            name: container.name,
            image: container.image,
            image_pull_policy: container.image_pull_policy,
            volume_mounts: container.volume_mounts.into_iter().map(mount).collect(),
            ..core_v1::Container::default()
        };
        Self {
            node_name: spec.node_name,
            restart_policy: spec.restart_policy,
            active_deadline_seconds: spec.active_deadline_seconds,
            init_containers: spec.init_containers.into_iter().map(container).collect(),
            containers: spec.containers.into_iter().map(container).collect(),
            volumes: spec.volumes.into_iter().map(Volume::from).collect(),
            ..Self::default()
        }
    }
}

impl From<wire::Volume> for Volume {
    fn from(volume: wire::Volume) -> Self {
        let image = volume.volume_source.and_then(|source| source.image);
        Self {
            name: volume.name,
            image: image.map(|image| ImageSource {
                reference: image.reference,
                pull_policy: image.pull_policy,
            }),
        }
    }
}

impl From<wire::PodStatus> for core_v1::Status {
    fn from(status: wire::PodStatus) -> Self {
        let condition = |condition: wire::PodCondition| core_v1::Condition {
            r#type: condition.r#type,
            status: condition.status,
            ..core_v1::Condition::default()
        };
        let container = core_v1::ContainerStatus::from;
        let init = status.init_container_statuses.into_iter();
        Self {
            phase: status.phase,
            conditions: status.conditions.into_iter().map(condition).collect(),
            init_container_statuses: init.map(container).collect(),
            container_statuses: status
                .container_statuses
                .into_iter()
                .map(container)
                .collect(),
        }
    }
}

impl From<wire::ContainerStatus> for core_v1::ContainerStatus {
    fn from(status: wire::ContainerStatus) -> Self {
        let state = status.state.unwrap_or_default();
        Self {
            name: status.name,
            image: status.image,
            state: core_v1::State {
                waiting: state.waiting.map(|waiting| core_v1::Waiting {
                    reason: waiting.reason,
                    message: waiting.message,
                }),
                running: state.running.map(|_| core_v1::Empty {}),
                terminated: state.terminated.map(|_| core_v1::Empty {}),
            },
        }
    }
}
