use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

/// The kubelet's own limit for an answer; tonic's default of 4 MiB is too small for a full node.
pub(crate) const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// gRPC over the unix socket at `path`. Connects on first use, and again when that breaks; `patience` is for each answer to begin.
pub(crate) fn channel(path: &Path, patience: Option<Duration>) -> Channel {
    let mut endpoint = Endpoint::from_static("http://localhost").connect_timeout(CONNECT);
    if let Some(patience) = patience {
        endpoint = endpoint.timeout(patience);
    }
    let path = path.to_owned();
    endpoint.connect_with_connector_lazy(tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    }))
}
