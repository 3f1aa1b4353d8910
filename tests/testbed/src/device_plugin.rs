//! A device plugin: devices that are only counted. It registers again when the kubelet restarts.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::{Endpoint, Server, Uri};
use tonic::{Request, Response, Status};
use tower::service_fn;

mod api {
    #![allow(
        missing_docs,
        reason = "generated; the .proto file says what these are"
    )]
    #![allow(clippy::all, reason = "generated")]
    tonic::include_proto!("v1beta1");
}

use api::device_plugin_server::{DevicePlugin, DevicePluginServer};
use api::registration_client::RegistrationClient;
use api::{
    AllocateRequest, AllocateResponse, ContainerAllocateResponse, Device, DevicePluginOptions,
    Empty, ListAndWatchResponse, PreStartContainerRequest, PreStartContainerResponse,
    PreferredAllocationRequest, PreferredAllocationResponse, RegisterRequest,
};

/// How often the kubelet's socket is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// Offers `count` devices called `resource` to the kubelet whose folder for plugins this is.
pub async fn run(folder: &Path, resource: &str, count: usize) -> Result<()> {
    let kubelet = folder.join("kubelet.sock");
    let name = format!("{}.sock", resource.replace('/', "-"));
    let own = folder.join(&name);
    loop {
        let Some(known) = identity(&kubelet) else {
            tokio::time::sleep(LOOK).await;
            continue;
        };
        // A kubelet that starts empties the folder; one that goes on leaves our old socket.
        if own.exists() {
            std::fs::remove_file(&own).with_context(|| format!("removing {}", own.display()))?;
        }
        let listener =
            UnixListener::bind(&own).with_context(|| format!("listening on {}", own.display()))?;
        let restarted = async {
            while identity(&kubelet) == Some(known) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let server = Server::builder()
            .add_service(DevicePluginServer::new(Plugin { count }))
            .serve_with_incoming(UnixListenerStream::new(listener));
        let registered = async {
            register(kubelet.clone(), &name, resource).await?;
            restarted.await;
            anyhow::Ok(())
        };
        tokio::select! {
            ended = server => ended.context("serving the kubelet")?,
            // A kubelet that ends while we register is one to look for again.
            outcome = registered => if outcome.is_err() { tokio::time::sleep(LOOK).await },
        }
    }
}

/// Tells one socket from the next at the same path.
fn identity(path: &Path) -> Option<(u64, i64, i64)> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.ino(), data.ctime(), data.ctime_nsec()))
}

async fn register(kubelet: PathBuf, endpoint: &str, resource: &str) -> Result<()> {
    let connect = move |_: Uri| {
        let kubelet = kubelet.clone();
        async move { UnixStream::connect(kubelet).await.map(TokioIo::new) }
    };
    // The address is not used: there is one socket.
    let channel = Endpoint::from_static("http://kubelet")
        .connect_with_connector(service_fn(connect))
        .await
        .context("connecting to the kubelet")?;
    let request = RegisterRequest {
        version: "v1beta1".to_owned(),
        endpoint: endpoint.to_owned(),
        resource_name: resource.to_owned(),
    };
    RegistrationClient::new(channel)
        .register(request)
        .await
        .context("registering")?;
    Ok(())
}

struct Plugin {
    count: usize,
}

#[tonic::async_trait]
impl DevicePlugin for Plugin {
    type ListAndWatchStream =
        Pin<Box<dyn Stream<Item = Result<ListAndWatchResponse, Status>> + Send>>;

    async fn get_device_plugin_options(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<DevicePluginOptions>, Status> {
        Ok(Response::new(DevicePluginOptions {}))
    }

    async fn list_and_watch(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::ListAndWatchStream>, Status> {
        let device = |n| Device {
            id: format!("device-{n}"),
            health: "Healthy".to_owned(),
        };
        let devices = (0..self.count).map(device).collect();
        let once = tokio_stream::once(Ok(ListAndWatchResponse { devices }));
        Ok(Response::new(Box::pin(once.chain(tokio_stream::pending()))))
    }

    async fn get_preferred_allocation(
        &self,
        _: Request<PreferredAllocationRequest>,
    ) -> Result<Response<PreferredAllocationResponse>, Status> {
        Ok(Response::new(PreferredAllocationResponse {}))
    }

    async fn allocate(
        &self,
        request: Request<AllocateRequest>,
    ) -> Result<Response<AllocateResponse>, Status> {
        let containers = request.into_inner().container_requests.len();
        let container_responses = vec![ContainerAllocateResponse {}; containers];
        Ok(Response::new(AllocateResponse {
            container_responses,
        }))
    }

    async fn pre_start_container(
        &self,
        _: Request<PreStartContainerRequest>,
    ) -> Result<Response<PreStartContainerResponse>, Status> {
        Ok(Response::new(PreStartContainerResponse {}))
    }
}
