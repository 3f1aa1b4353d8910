//! A fake of the kubelet's own Pod service, on a unix socket.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use prost::Message as _;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::Stream;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status, async_trait};
use tower::Service as _;

use super::socket::Socket;
use super::text;
use core_v1 as v1;
use wire::pods_server::{Pods, PodsServer};
use wire::{EventType, WatchPodsEvent, WatchPodsRequest};

#[allow(
    dead_code,
    clippy::all,
    clippy::pedantic,
    reason = "generated, the client's half too"
)]
mod wire {
    tonic::include_proto!("v1alpha1");
}

#[allow(dead_code, reason = "an outline is for readers")]
mod core_v1 {
    tonic::include_proto!("core.v1");
}

type Event = Result<WatchPodsEvent, Status>;

#[derive(Debug, Default)]
struct Held {
    /// By UID.
    pods: BTreeMap<String, Vec<u8>>,
    watchers: Vec<UnboundedSender<Event>>,
    fault: Option<Status>,
    /// True if a stream is opened and nothing sent.
    silent: bool,
    /// Number of times that the stream was asked for, answered or not.
    asked: usize,
}

/// The kubelet's Pod service. It ends when it is dropped.
#[derive(Debug)]
pub struct KubeletPods {
    held: Arc<Mutex<Held>>,
    socket: Socket,
}

impl KubeletPods {
    /// One without Pods and without a socket yet.
    pub fn at(path: &Path) -> Self {
        Self {
            held: Arc::default(),
            socket: Socket::at(path),
        }
    }

    /// Listens on a new socket.
    pub fn up(&self) {
        let pods = PodsServer::new(Service(self.held.clone()));
        self.socket.up(move |request| {
            let mut pods = pods.clone();
            async move { pods.call(request).await }
        });
    }

    /// Goes away, its connections and its socket too. What it holds stays.
    pub async fn down(&self) {
        self.socket.down().await;
        self.drop_streams();
    }

    /// Every stream is ended.
    pub fn drop_streams(&self) {
        self.held.lock().unwrap().watchers.clear();
    }

    /// Every stream is refused with this, or served again.
    pub fn fault(&self, fault: Option<Status>) {
        self.held.lock().unwrap().fault = fault;
    }

    /// Streams are opened, and nothing is sent.
    pub fn silent(&self, silent: bool) {
        self.held.lock().unwrap().silent = silent;
    }

    /// Number of times that the stream was asked for.
    pub fn asked(&self) -> usize {
        self.held.lock().unwrap().asked
    }

    /// Number of readers of the stream.
    pub fn readers(&self) -> usize {
        let mut held = self.held.lock().unwrap();
        held.watchers.retain(|watcher| !watcher.is_closed());
        held.watchers.len()
    }

    /// The Pod is as the kubelet shows it now.
    pub fn show(&self, pod: &impl AsRef<Value>) {
        self.show_bytes(&text(&pod.as_ref()["metadata"]["uid"]), encode(pod));
    }

    /// The same with whatever bytes.
    pub fn show_bytes(&self, uid: &str, bytes: Vec<u8>) {
        let mut held = self.held.lock().unwrap();
        let known = held.pods.insert(uid.to_owned(), bytes.clone()).is_some();
        let kind = if known {
            EventType::Modified
        } else {
            EventType::Added
        };
        held.send(kind, bytes);
    }

    /// The Pod is gone: only its name is told.
    pub fn remove(&self, pod: &impl AsRef<Value>) {
        let metadata = &pod.as_ref()["metadata"];
        let uid = text(&metadata["uid"]);
        let metadata = v1::ObjectMeta {
            name: text(&metadata["name"]),
            namespace: text(&metadata["namespace"]),
            uid: uid.clone(),
            ..v1::ObjectMeta::default()
        };
        let bare = v1::Pod {
            metadata: Some(metadata),
            ..v1::Pod::default()
        };
        let mut held = self.held.lock().unwrap();
        held.pods.remove(&uid);
        held.send(EventType::Deleted, bare.encode_to_vec());
    }
}

impl Held {
    fn send(&mut self, kind: EventType, pod: Vec<u8>) {
        self.watchers
            .retain(|watcher| watcher.send(Ok(event(kind, pod.clone()))).is_ok());
    }
}

fn event(kind: EventType, pod: Vec<u8>) -> WatchPodsEvent {
    WatchPodsEvent {
        r#type: kind.into(),
        pod,
    }
}

#[derive(Clone)]
struct Service(Arc<Mutex<Held>>);

#[async_trait]
impl Pods for Service {
    type WatchPodsStream = Pin<Box<dyn Stream<Item = Event> + Send>>;

    async fn watch_pods(
        &self,
        _: Request<WatchPodsRequest>,
    ) -> Result<Response<Self::WatchPodsStream>, Status> {
        let mut held = self.0.lock().unwrap();
        held.asked += 1;
        if let Some(fault) = &held.fault {
            return Err(fault.clone());
        }
        let (sender, receiver) = unbounded_channel();
        if !held.silent {
            for pod in held.pods.values() {
                let _ = sender.send(Ok(event(EventType::Added, pod.clone())));
            }
            let _ = sender.send(Ok(event(EventType::InitialSyncComplete, Vec::new())));
        }
        held.watchers.push(sender);
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(
            receiver,
        ))))
    }
}

/// The Pod in protobuf.
pub fn encode(pod: &impl AsRef<Value>) -> Vec<u8> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let json = pod.as_ref();
    let (metadata, spec, status) = (&json["metadata"], &json["spec"], &json["status"]);
    let texts = |value: &Value| {
        let all = value.as_object().into_iter().flatten();
        all.map(|(key, value)| (key.clone(), text(value))).collect()
    };
    let owner = |owner: &Value| v1::OwnerReference {
        kind: text(&owner["kind"]),
        name: text(&owner["name"]),
        uid: text(&owner["uid"]),
        controller: owner["controller"].as_bool(),
    };
    let mount = |mount: &Value| v1::VolumeMount {
        name: text(&mount["name"]),
    };
    let volume = |volume: &Value| v1::Volume {
        name: text(&volume["name"]),
        volume_source: Some(v1::VolumeSource {
            image: volume.get("image").map(|image| v1::ImageVolumeSource {
                reference: text(&image["reference"]),
                pull_policy: text(&image["pullPolicy"]),
            }),
        }),
    };
    let container = |container: &Value| v1::Container {
        name: text(&container["name"]),
        image: text(&container["image"]),
        image_pull_policy: text(&container["imagePullPolicy"]),
        volume_mounts: list(&container["volumeMounts"]).iter().map(mount).collect(),
    };
    let condition = |condition: &Value| v1::PodCondition {
        r#type: text(&condition["type"]),
        status: text(&condition["status"]),
    };
    let container_status = |status: &Value| v1::ContainerStatus {
        name: text(&status["name"]),
        image: text(&status["image"]),
        state: Some(v1::ContainerState {
            waiting: status["state"]
                .get("waiting")
                .map(|waiting| v1::ContainerStateWaiting {
                    reason: text(&waiting["reason"]),
                    message: text(&waiting["message"]),
                }),
            running: status["state"]
                .get("running")
                .map(|_| v1::ContainerStateRunning {}),
            terminated: status["state"]
                .get("terminated")
                .map(|_| v1::ContainerStateTerminated {}),
        }),
    };
    let pod = v1::Pod {
        metadata: Some(v1::ObjectMeta {
            name: text(&metadata["name"]),
            namespace: text(&metadata["namespace"]),
            uid: text(&metadata["uid"]),
            resource_version: text(&metadata["resourceVersion"]),
            deletion_timestamp: metadata
                .get("deletionTimestamp")
                .map(|_| v1::Time { seconds: 1 }),
            labels: texts(&metadata["labels"]),
            annotations: texts(&metadata["annotations"]),
            owner_references: list(&metadata["ownerReferences"])
                .iter()
                .map(owner)
                .collect(),
        }),
        spec: Some(v1::PodSpec {
            volumes: list(&spec["volumes"]).iter().map(volume).collect(),
            containers: list(&spec["containers"]).iter().map(container).collect(),
            restart_policy: text(&spec["restartPolicy"]),
            active_deadline_seconds: spec["activeDeadlineSeconds"].as_i64(),
            node_name: text(&spec["nodeName"]),
            init_containers: list(&spec["initContainers"])
                .iter()
                .map(container)
                .collect(),
        }),
        status: Some(v1::PodStatus {
            phase: text(&status["phase"]),
            conditions: list(&status["conditions"]).iter().map(condition).collect(),
            container_statuses: list(&status["containerStatuses"])
                .iter()
                .map(container_status)
                .collect(),
            init_container_statuses: list(&status["initContainerStatuses"])
                .iter()
                .map(container_status)
                .collect(),
        }),
    };
    pod.encode_to_vec()
}
