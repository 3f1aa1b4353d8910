//! The snapshot: what the container runtime holds on this node, over its CRI socket.
//!
//! Lists, no subscription: on containerd 1.7 a second reader of `GetContainerEvents` steals the kubelet's events. Images are asked
//! for only while a pull fails.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use wire::image_service_client::ImageServiceClient;
use wire::runtime_service_client::RuntimeServiceClient;

use crate::deadline::within;
use crate::socket::{LARGEST_ANSWER, answered, channel};
use crate::text::redacted;

mod wire {
    include!(concat!(env!("OUT_DIR"), "/runtime.v1.rs"));
}

/// A whole answer takes milliseconds; a runtime that needs longer than this is in trouble.
const PATIENCE: Duration = Duration::from_secs(10);

/// A Pod as the runtime knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// The sandbox's id.
    pub id: String,
    /// The Pod's UID (for a static Pod not the UID of its mirror).
    pub uid: String,
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod's name.
    pub name: String,
}

/// A connection to the runtime. Made on first use, kept, and made again when it breaks.
#[derive(Clone, Debug)]
pub struct Runtime {
    path: PathBuf,
    client: RuntimeServiceClient<Channel>,
    images: ImageServiceClient<Channel>,
}

/// Result of asking the runtime to pull an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// It was pulled.
    Yes,
    /// It was still being pulled, and given up.
    NotYet,
    /// It was not: a gRPC code and the runtime's words.
    No(String),
}

impl Runtime {
    /// The runtime behind the socket at `path`; nothing is opened yet.
    pub fn at(path: &Path) -> Self {
        let channel = channel(path);
        let client = RuntimeServiceClient::new(channel.clone());
        Self {
            path: path.to_owned(),
            client: client.max_decoding_message_size(LARGEST_ANSWER),
            images: ImageServiceClient::new(channel).max_decoding_message_size(LARGEST_ANSWER),
        }
    }

    /// The runtime's name and version.
    pub async fn version(&mut self) -> Result<String, Status> {
        let request = wire::VersionRequest {
            version: "v1".to_owned(),
        };
        let answer = whole(self.client.version(Request::new(request))).await?;
        Ok(format!(
            "{} {}",
            answer.runtime_name, answer.runtime_version
        ))
    }

    /// The sandboxes that are ready.
    pub async fn sandboxes(&mut self) -> Result<Vec<Sandbox>, Status> {
        let request = wire::ListPodSandboxRequest {
            filter: Some(wire::PodSandboxFilter {
                state: Some(wire::PodSandboxStateValue {
                    state: wire::PodSandboxState::SandboxReady.into(),
                }),
            }),
        };
        let answer = whole(self.client.list_pod_sandbox(Request::new(request))).await?;
        let items = answer.items.into_iter();
        Ok(items
            .filter_map(|item| {
                let metadata = item.metadata?;
                Some(Sandbox {
                    id: item.id,
                    uid: metadata.uid,
                    namespace: metadata.namespace,
                    name: metadata.name,
                })
            })
            .collect())
    }

    /// The ids of the sandboxes that have a container, in whatever state.
    pub async fn sandboxes_with_containers(&mut self) -> Result<BTreeSet<String>, Status> {
        let request = Request::new(wire::ListContainersRequest {});
        let answer = whole(self.client.list_containers(request)).await?;
        let containers = answer.containers.into_iter();
        Ok(containers
            .map(|container| container.pod_sandbox_id)
            .collect())
    }

    /// The tags and digests by which the images on the node are known.
    pub async fn images(&mut self) -> Result<Vec<String>, Status> {
        let request = Request::new(wire::ListImagesRequest {});
        let answer = whole(self.images.list_images(request)).await?;
        let images = answer.images.into_iter();
        Ok(images
            .flat_map(|image| image.repo_tags.into_iter().chain(image.repo_digests))
            .collect())
    }

    /// Asks whether an image is on the node.
    pub async fn has_image(&mut self, image: &str) -> Result<bool, Status> {
        let request = wire::ImageStatusRequest { image: spec(image) };
        let answer = whole(self.images.image_status(Request::new(request))).await?;
        Ok(answer.image.is_some())
    }

    /// Asks the runtime to pull an image, without credentials, for so long at most.
    pub async fn pull(&self, image: &str, at_most: Duration) -> Pulled {
        // A connection of its own: a pull that hangs holds up no other call.
        let mut images = ImageServiceClient::new(channel(&self.path));
        let request = Request::new(wire::PullImageRequest { image: spec(image) });
        match within(at_most, images.pull_image(request)).await {
            // Whoever goes away cancels its pull.
            Err(_) => Pulled::NotYet,
            Ok(Ok(_)) => Pulled::Yes,
            Ok(Err(status)) => {
                let text = redacted(status.message());
                Pulled::No(format!("{:?}: {text}", status.code()))
            }
        }
    }
}

/// The answer to a call of the runtime's, which must be complete within [`PATIENCE`].
async fn whole<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    answered(PATIENCE, call).await.map(Response::into_inner)
}

fn spec(image: &str) -> Option<wire::ImageSpec> {
    let image = image.to_owned();
    Some(wire::ImageSpec { image })
}
