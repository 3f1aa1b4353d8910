//! A fake container runtime: CRI's lists, and pulls that come to what a test says, on a unix socket.

use std::path::Path;
use std::sync::{Arc, Mutex};

use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use serde_json::Value;
use tonic::{Request, Response, Status, async_trait};
use tower::Service as _;

use super::socket::Socket;
use super::text;
use wire::image_service_server::{ImageService, ImageServiceServer};
use wire::runtime_service_server::{RuntimeService, RuntimeServiceServer};

#[allow(
    dead_code,
    clippy::all,
    clippy::pedantic,
    reason = "generated, the client's half too"
)]
mod wire {
    tonic::include_proto!("runtime.v1");
}

#[derive(Debug, Default)]
struct Held {
    /// Its name, if not containerd.
    name: Option<(&'static str, &'static str)>,
    sandboxes: Vec<wire::PodSandbox>,
    with_container: Vec<String>,
    fault: Option<Status>,
    /// True if answers stop after their headers.
    stops: bool,
    /// Number of times that the sandboxes were asked for, answered or not.
    asked: usize,
    /// Number of times that the images were listed.
    listed: usize,
    /// The images on the node, by the name they were pulled by.
    images: Vec<String>,
    /// The images that somebody asked about, one by one.
    asked_about: Vec<String>,
    /// Result of a pull: the runtime's error, success, or (the default) nothing, ever.
    pull: Option<Result<(), Status>>,
    /// The images that were to be pulled.
    pulls: Vec<String>,
}

/// The runtime. It ends when it is dropped.
#[derive(Debug)]
pub struct Runtime {
    held: Arc<Mutex<Held>>,
    socket: Socket,
}

impl Runtime {
    /// One without Pods that does not answer yet.
    pub fn at(path: &Path) -> Self {
        Self {
            held: Arc::default(),
            socket: Socket::at(path),
        }
    }

    /// Listens on its socket, again if need be.
    pub fn up(&self) {
        let held = self.held.clone();
        let runtime = RuntimeServiceServer::new(Service(held.clone()));
        let images = ImageServiceServer::new(Service(held.clone()));
        self.socket.up(move |request| {
            let (mut runtime, mut images) = (runtime.clone(), images.clone());
            let stops = held.lock().unwrap().stops;
            async move {
                let path = request.uri().path();
                match path.starts_with("/runtime.v1.ImageService/") {
                    _ if stops => Ok(headers_only()),
                    true => images.call(request).await,
                    false => runtime.call(request).await,
                }
            }
        });
    }

    /// Goes away, its connections and its socket too.
    pub async fn down(&self) {
        self.socket.down().await;
    }

    /// Every call is answered with this, or as it should be again.
    pub fn fault(&self, fault: Option<Status>) {
        self.held.lock().unwrap().fault = fault;
    }

    /// Every answer stops after its headers, or comes whole again.
    pub fn stop_in_mid_answer(&self, stops: bool) {
        self.held.lock().unwrap().stops = stops;
    }

    /// Its name and version from now on.
    pub fn call_itself(&self, name: &'static str, version: &'static str) {
        self.held.lock().unwrap().name = Some((name, version));
    }

    /// Holds a sandbox for the Pod, without any container.
    pub fn add(&self, pod: &impl AsRef<Value>) {
        let metadata = &pod.as_ref()["metadata"];
        self.held.lock().unwrap().sandboxes.push(wire::PodSandbox {
            id: sandbox_of(pod),
            metadata: Some(wire::PodSandboxMetadata {
                name: text(&metadata["name"]),
                uid: text(&metadata["uid"]),
                namespace: text(&metadata["namespace"]),
            }),
        });
    }

    /// A container of the Pod exists.
    pub fn add_container(&self, pod: &impl AsRef<Value>) {
        let sandbox = sandbox_of(pod);
        self.held.lock().unwrap().with_container.push(sandbox);
    }

    /// The Pod's sandbox is gone.
    pub fn remove(&self, pod: &impl AsRef<Value>) {
        let sandbox = sandbox_of(pod);
        self.held
            .lock()
            .unwrap()
            .sandboxes
            .retain(|s| s.id != sandbox);
    }

    /// An image is on the node from now on.
    pub fn add_image(&self, image: &str) {
        self.held.lock().unwrap().images.push(image.to_owned());
    }

    /// Result of a pull from now on.
    pub fn pull_comes_to(&self, result: Result<(), Status>) {
        self.held.lock().unwrap().pull = Some(result);
    }

    /// The images that were to be pulled.
    pub fn pulls(&self) -> Vec<String> {
        self.held.lock().unwrap().pulls.clone()
    }

    /// The images that somebody asked about, one by one.
    pub fn asked_about(&self) -> Vec<String> {
        self.held.lock().unwrap().asked_about.clone()
    }

    /// Number of times that the images were listed.
    pub fn listed(&self) -> usize {
        self.held.lock().unwrap().listed
    }

    /// Number of times that the sandboxes were asked for.
    pub fn asked(&self) -> usize {
        self.held.lock().unwrap().asked
    }
}

/// Id of the Pod's sandbox.
fn sandbox_of(pod: &impl AsRef<Value>) -> String {
    format!("sandbox-{}", text(&pod.as_ref()["metadata"]["uid"]))
}

/// An answer whose body never comes.
fn headers_only() -> hyper::Response<tonic::body::Body> {
    let never = tokio_stream::pending::<Result<Frame<Bytes>, Status>>();
    hyper::Response::builder()
        .header("content-type", "application/grpc")
        .body(tonic::body::Body::new(StreamBody::new(never)))
        .unwrap()
}

#[derive(Clone)]
struct Service(Arc<Mutex<Held>>);

#[async_trait]
impl RuntimeService for Service {
    async fn version(
        &self,
        _: Request<wire::VersionRequest>,
    ) -> Result<Response<wire::VersionResponse>, Status> {
        let held = self.0.lock().unwrap();
        match &held.fault {
            Some(fault) => Err(fault.clone()),
            None => {
                let (name, version) = held.name.unwrap_or(("containerd", "2.4.2"));
                Ok(Response::new(wire::VersionResponse {
                    runtime_name: name.to_owned(),
                    runtime_version: version.to_owned(),
                }))
            }
        }
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

#[async_trait]
impl ImageService for Service {
    async fn list_images(
        &self,
        _: Request<wire::ListImagesRequest>,
    ) -> Result<Response<wire::ListImagesResponse>, Status> {
        let mut held = self.0.lock().unwrap();
        held.listed += 1;
        if let Some(fault) = &held.fault {
            return Err(fault.clone());
        }
        let image = |name: &String| wire::Image {
            repo_tags: vec![name.clone()],
            repo_digests: Vec::new(),
        };
        let images = held.images.iter().map(image).collect();
        Ok(Response::new(wire::ListImagesResponse { images }))
    }

    async fn image_status(
        &self,
        request: Request<wire::ImageStatusRequest>,
    ) -> Result<Response<wire::ImageStatusResponse>, Status> {
        let name = request.into_inner().image.unwrap().image;
        let mut held = self.0.lock().unwrap();
        held.asked_about.push(name.clone());
        if let Some(fault) = &held.fault {
            return Err(fault.clone());
        }
        let image = held.images.contains(&name).then(wire::Image::default);
        Ok(Response::new(wire::ImageStatusResponse { image }))
    }

    async fn pull_image(
        &self,
        request: Request<wire::PullImageRequest>,
    ) -> Result<Response<wire::PullImageResponse>, Status> {
        let name = request.into_inner().image.unwrap().image;
        let result = {
            let mut held = self.0.lock().unwrap();
            held.pulls.push(name);
            held.pull.clone()
        };
        match result {
            Some(Ok(())) => Ok(Response::new(wire::PullImageResponse {})),
            Some(Err(status)) => Err(status),
            None => std::future::pending().await,
        }
    }
}
