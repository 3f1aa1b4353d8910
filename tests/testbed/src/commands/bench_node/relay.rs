//! A relay in front of the API server that counts what goes through it, one for each client.
//!
//! The audit log has no bytes. TLS goes through it as it is: what is counted is what was on the wire, handshakes included. The API server's
//! certificate is good for the relay's address too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{self, Poll};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testbed::{Node, Progress};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Where the API server listens, in the node's network.
const APISERVER: &str = "127.0.0.1:443";

/// What has gone through since the start.
#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    connections: AtomicU64,
}

/// A relay. It goes on as long as this program does.
#[derive(Debug)]
pub struct Relay {
    counts: Arc<Counts>,
    kubeconfig: PathBuf,
}

impl Relay {
    /// Starts one for the client that this kubeconfig is for.
    pub fn start(node: &Node, kubeconfig: &Path) -> Result<Self> {
        let counts = Arc::<Counts>::default();
        let (network, counted) = (Node::attach(node.dir())?, Arc::clone(&counts));
        let listener = node.inside(|| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").context("listening")?;
            listener.set_nonblocking(true).context("listening")?;
            Ok(listener)
        })?;
        let port = listener.local_addr().context("looking at the port")?.port();
        std::thread::spawn(move || {
            if let Err(error) = serve(&network, listener, &counted) {
                Progress::new(false).say(&format!("the relay has ended: {error:#}"));
            }
        });
        let path = kubeconfig.with_extension("relayed.kubeconfig");
        let text =
            fs::read(kubeconfig).with_context(|| format!("reading {}", kubeconfig.display()))?;
        let mut config: Value = serde_json::from_slice(&text)
            .with_context(|| format!("decoding {}", kubeconfig.display()))?;
        config["clusters"][0]["cluster"]["server"] = json!(format!("https://127.0.0.1:{port}"));
        fs::write(&path, config.to_string())
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(Self {
            counts,
            kubeconfig: path,
        })
    }

    /// The way to the API server through the relay.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Bytes in both directions.
    pub fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::Relaxed)
    }

    /// Connections that were made.
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::Relaxed)
    }
}

/// Relays every connection; the thread that does it, and what it connects to, are in the node's network.
fn serve(node: &Node, listener: std::net::TcpListener, counts: &Arc<Counts>) -> Result<()> {
    node.enter()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("making a runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).context("listening")?;
        loop {
            let (client, _) = listener.accept().await.context("taking a connection")?;
            counts.connections.fetch_add(1, Ordering::Relaxed);
            let mut client = Counted {
                stream: client,
                counts: Arc::clone(counts),
            };
            tokio::spawn(async move {
                let mut server = TcpStream::connect(APISERVER).await?;
                // Whoever waits for a small answer must not wait for the relay.
                server.set_nodelay(true)?;
                client.stream.set_nodelay(true)?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    })
}

/// A client's connection, of which every byte is counted when it passes.
struct Counted {
    stream: TcpStream,
    counts: Arc<Counts>,
}

impl Counted {
    fn passed(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.passed(buffer.filled().len() - before);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = &polled {
            self.passed(*written);
        }
        polled
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
