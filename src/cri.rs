//! The snapshot: what the container runtime holds on this node, over its CRI socket.
//!
//! Two calls, no subscription: on containerd 1.7 a second reader of `GetContainerEvents` steals the kubelet's events.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};
use wire::runtime_service_client::RuntimeServiceClient;

mod wire {
    include!(concat!(env!("OUT_DIR"), "/runtime.v1.rs"));
}

/// The kubelet's own limit for an answer; tonic's default of 4 MiB is too small for a full node.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// An answer takes milliseconds; a runtime that needs longer than this is in trouble.
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
    client: RuntimeServiceClient<Channel>,
}

impl Runtime {
    /// The runtime behind the socket at `path`; nothing is opened yet.
    pub fn at(path: &Path) -> Self {
        let path = path.to_owned();
        let channel = Endpoint::from_static("http://localhost")
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE)
            .connect_with_connector_lazy(tower::service_fn(move |_| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            }));
        let client = RuntimeServiceClient::new(channel).max_decoding_message_size(LARGEST_ANSWER);
        Self { client }
    }

    /// The runtime's name and version.
    pub async fn version(&mut self) -> Result<String, tonic::Status> {
        let request = wire::VersionRequest {
            version: "v1".to_owned(),
        };
        let answer = self
            .client
            .version(Request::new(request))
            .await?
            .into_inner();
        Ok(format!(
            "{} {}",
            answer.runtime_name, answer.runtime_version
        ))
    }

    /// The sandboxes that are ready.
    pub async fn sandboxes(&mut self) -> Result<Vec<Sandbox>, tonic::Status> {
        let request = wire::ListPodSandboxRequest {
            filter: Some(wire::PodSandboxFilter {
                state: Some(wire::PodSandboxStateValue {
                    state: wire::PodSandboxState::SandboxReady.into(),
                }),
            }),
        };
        let answer = self.client.list_pod_sandbox(Request::new(request)).await?;
        let items = answer.into_inner().items.into_iter();
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
    pub async fn sandboxes_with_containers(&mut self) -> Result<BTreeSet<String>, tonic::Status> {
        let request = Request::new(wire::ListContainersRequest {});
        let answer = self.client.list_containers(request).await?.into_inner();
        let containers = answer.containers.into_iter();
        Ok(containers
            .map(|container| container.pod_sandbox_id)
            .collect())
    }
}
