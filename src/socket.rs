//! gRPC over a unix socket.

use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::deadline::within;

/// The kubelet's own limit for an answer; tonic's default of 4 MiB is too small for a full node.
pub(crate) const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Time that a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// gRPC over the unix socket at `path`. Connects on first use, and again when that breaks. Its calls go through [`answered`]: tonic's own
/// timeout ends with the headers of an answer.
pub(crate) fn channel(path: &Path) -> Channel {
    let endpoint = Endpoint::from_static("http://localhost").connect_timeout(CONNECT);
    let path = path.to_owned();
    endpoint.connect_with_connector_lazy(tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    }))
}

/// The answer to a call, if all of it comes within `limit`.
///
/// # Errors
/// The server's own error, or `DeadlineExceeded`.
pub(crate) async fn answered<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let answer = within(limit, call).await;
    answer.unwrap_or_else(|late| Err(Status::deadline_exceeded(late.to_string())))
}
