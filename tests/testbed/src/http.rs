//! A small HTTP/1.1 client: one connection for each request, whole bodies.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

static PATIENCE: LazyLock<Duration> = LazyLock::new(|| crate::longest(10));

/// An answer, read to its end.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The `Location` header, if any.
    pub location: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// An error with status and body unless the status is one of success.
    pub fn successful(self) -> Result<Self> {
        if !self.status.is_success() {
            bail!(
                "the answer is {}: {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            );
        }
        Ok(self)
    }
}

/// Sends a request to `address` from the calling thread's network, and waits for the answer.
pub fn send(
    address: &str,
    method: &str,
    path: &str,
    content_type: &str,
    body: Vec<u8>,
) -> Result<Response> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("making a runtime for a request")?;
    runtime
        .block_on(async {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(header::HOST, address)
                .header(header::CONTENT_TYPE, content_type)
                .body(Full::new(Bytes::from(body)))
                .context("making a request")?;
            tokio::time::timeout(*PATIENCE, exchange(address, request))
                .await
                .context("no answer in time")?
        })
        .with_context(|| format!("{method} http://{address}{path}"))
}

async fn exchange(address: &str, request: Request<Full<Bytes>>) -> Result<Response> {
    let stream = TcpStream::connect(address).await.context("connecting")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .context("opening an HTTP connection")?;
    // The connection's end is seen by the request on it.
    let _connection = tokio::spawn(connection);
    let response = sender
        .send_request(request)
        .await
        .context("sending a request")?;
    let status = response.status();
    let location = response.headers().get(header::LOCATION);
    let location = location
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let body = response
        .into_body()
        .collect()
        .await
        .context("reading the answer")?
        .to_bytes();
    Ok(Response {
        status,
        location,
        body,
    })
}
