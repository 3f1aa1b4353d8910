//! The API server for the fake nodes: JSON over a few connections that are kept.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Where the API server listens, in the node's network.
const ADDRESS: &str = "127.0.0.1:443";
/// Requests that are under way at a time.
const AT_ONCE: usize = 16;
/// Pause before a request is made again that the API server could not answer.
const PAUSE: Duration = Duration::from_millis(300);

/// A connection that waits for a request.
type Idle = SendRequest<Full<Bytes>>;

/// The API server, for the holder of a kubeconfig.
pub struct Api {
    tls: TlsConnector,
    token: String,
    idle: Mutex<Vec<Idle>>,
    places: Semaphore,
}

impl Api {
    /// With the token of this kubeconfig, as the testbed writes them. Connects when it is used.
    pub fn new(kubeconfig: &Path) -> Result<Self> {
        let text =
            fs::read(kubeconfig).with_context(|| format!("reading {}", kubeconfig.display()))?;
        let config: Value = serde_json::from_slice(&text)
            .with_context(|| format!("decoding {}", kubeconfig.display()))?;
        let authority = &config["clusters"][0]["cluster"]["certificate-authority"];
        let authority = authority.as_str().context("it names no authority")?;
        let token = config["users"][0]["user"]["token"].as_str();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authority).context("reading ca.crt")? {
            roots.add(certificate.context("reading ca.crt")?)?;
        }
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: TlsConnector::from(Arc::new(tls)),
            token: token.context("it has no token")?.to_owned(),
            idle: Mutex::default(),
            places: Semaphore::new(AT_ONCE),
        })
    }

    /// Sends a request until the API server can answer it.
    ///
    /// # Errors
    /// If it refuses the request.
    pub async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let _place = self.places.acquire().await?;
        let text = match body {
            Value::Null => Vec::new(),
            body => serde_json::to_vec(body).context("encoding a request")?,
        };
        loop {
            match self.once(method, path, text.clone()).await {
                Ok((status, answer)) if status.is_success() => return Ok(answer),
                Ok((status, answer)) if status.is_client_error() && !passes(status) => {
                    bail!("{method} {path}: {status} {answer}")
                }
                // It is away, or about to come.
                Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn once(&self, method: &str, path: &str, body: Vec<u8>) -> Result<(StatusCode, Value)> {
        let kept = lock(&self.idle).pop().filter(|idle| !idle.is_closed());
        let mut connection = match kept {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        let answer = self.send(&mut connection, method, path, body).await?;
        let (status, body) = (answer.status(), answer.into_body().collect().await?);
        lock(&self.idle).push(connection);
        let text = body.to_bytes();
        let json = serde_json::from_slice(&text);
        Ok((
            status,
            json.unwrap_or_else(|_| String::from_utf8_lossy(&text).into()),
        ))
    }

    async fn send(
        &self,
        connection: &mut Idle,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>> {
        let kind = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, ADDRESS)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, kind)
            .body(Full::new(Bytes::from(body)))
            .context("making a request")?;
        connection.ready().await?;
        Ok(connection.send_request(request).await?)
    }

    async fn connect(&self) -> Result<Idle> {
        let stream = TcpStream::connect(ADDRESS).await?;
        stream.set_nodelay(true)?;
        let host = ServerName::try_from("127.0.0.1")?;
        let stream = self.tls.connect(host, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // The connection's end is seen by the request on it.
        let _connection = tokio::spawn(connection);
        Ok(sender)
    }

    /// Watches what is at a path from now on, for ever. `on` gets each event.
    pub async fn watch(&self, path: &str, mut on: impl FnMut(&Value)) {
        loop {
            // It ends with the API server, and when that wants it to.
            let _ended = self.watch_once(path, &mut on).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn watch_once(&self, path: &str, on: &mut impl FnMut(&Value)) -> Result<()> {
        let mut connection = self.connect().await?;
        let path = format!("{path}?watch=1&timeoutSeconds=3600");
        let answer = self.send(&mut connection, "GET", &path, Vec::new()).await?;
        let (mut body, mut text) = (answer.into_body(), Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            text.extend_from_slice(&data);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                on(&serde_json::from_slice(&line)?);
            }
        }
        Ok(())
    }
}

/// Returns true if the same request may succeed after a while. An API server that has just started knows few users.
fn passes(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 429)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
