//! A fake container runtime: CRI's two lists on a unix socket.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tonic::{Request, Response, Status, async_trait};

use super::pod::Pod;
use wire::runtime_service_server::{RuntimeService, RuntimeServiceServer};

mod wire {
    include!(concat!(env!("OUT_DIR"), "/fakes/runtime.v1.rs"));
}

#[derive(Debug, Default)]
struct Held {
    sandboxes: Vec<wire::PodSandbox>,
    with_container: Vec<String>,
    fault: Option<Status>,
    /// How often the sandboxes were asked for, answered or not.
    asked: usize,
}

/// The runtime. It ends when it is dropped.
#[derive(Debug)]
pub struct Runtime {
    held: Arc<Mutex<Held>>,
    path: PathBuf,
    tasks: Mutex<JoinSet<()>>,
}

impl Runtime {
    /// One without Pods that does not answer yet.
    pub fn at(path: &Path) -> Self {
        Self {
            held: Arc::default(),
            path: path.to_owned(),
            tasks: Mutex::default(),
        }
    }

    /// Listens on its socket, again if need be.
    pub fn up(&self) {
        let _ = std::fs::remove_file(&self.path);
        let listener = UnixListener::bind(&self.path).unwrap();
        let held = self.held.clone();
        self.tasks.lock().unwrap().spawn(async move {
            // Dropped with this task, connections end with it.
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = RuntimeServiceServer::new(Service(held.clone()));
                let service = TowerToHyperService::new(service);
                let server = http2::Builder::new(TokioExecutor::new());
                connections.spawn(async move {
                    // One that breaks is one of the things that are tried.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    }

    /// Goes away, its connections and its socket too.
    pub async fn down(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        tasks.shutdown().await;
        let _ = std::fs::remove_file(&self.path);
    }

    /// Every call is answered with this, or as it should be again.
    pub fn fault(&self, fault: Option<Status>) {
        self.held.lock().unwrap().fault = fault;
    }

    /// Holds a sandbox for the Pod, without any container.
    pub fn add(&self, pod: &Pod) {
        self.held.lock().unwrap().sandboxes.push(wire::PodSandbox {
            id: format!("sandbox-{}", pod.has_uid()),
            metadata: Some(wire::PodSandboxMetadata {
                name: pod.name().to_owned(),
                uid: pod.has_uid().to_owned(),
                namespace: pod.in_namespace().to_owned(),
            }),
        });
    }

    /// A container of the Pod exists.
    pub fn add_container(&self, pod: &Pod) {
        let sandbox = format!("sandbox-{}", pod.has_uid());
        self.held.lock().unwrap().with_container.push(sandbox);
    }

    /// The Pod's sandbox is gone.
    pub fn remove(&self, pod: &Pod) {
        let sandbox = format!("sandbox-{}", pod.has_uid());
        self.held
            .lock()
            .unwrap()
            .sandboxes
            .retain(|s| s.id != sandbox);
    }

    /// How often the sandboxes were asked for.
    pub fn asked(&self) -> usize {
        self.held.lock().unwrap().asked
    }
}

struct Service(Arc<Mutex<Held>>);

#[async_trait]
impl RuntimeService for Service {
    async fn version(
        &self,
        _: Request<wire::VersionRequest>,
    ) -> Result<Response<wire::VersionResponse>, Status> {
        Ok(Response::new(wire::VersionResponse {
            runtime_name: "fake".to_owned(),
            runtime_version: "1".to_owned(),
        }))
    }

    async fn list_pod_sandbox(
        &self,
        _: Request<wire::ListPodSandboxRequest>,
    ) -> Result<Response<wire::ListPodSandboxResponse>, Status> {
        let mut held = self.0.lock().unwrap();
        held.asked += 1;
        match &held.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(Response::new(wire::ListPodSandboxResponse {
                items: held.sandboxes.clone(),
            })),
        }
    }

    async fn list_containers(
        &self,
        _: Request<wire::ListContainersRequest>,
    ) -> Result<Response<wire::ListContainersResponse>, Status> {
        let held = self.0.lock().unwrap();
        if let Some(fault) = &held.fault {
            return Err(fault.clone());
        }
        let sandboxes = held.with_container.iter().cloned();
        let containers = sandboxes.map(|pod_sandbox_id| wire::Container { pod_sandbox_id });
        let containers = containers.collect();
        Ok(Response::new(wire::ListContainersResponse { containers }))
    }
}
