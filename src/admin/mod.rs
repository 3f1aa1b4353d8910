//! `/livez`, `/readyz` and `/metrics`, on a loopback address unless told otherwise.

mod connections;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};

use crate::clock::Clock;
use crate::deadline::within;
use crate::judge::Moment;
use connections::{Connections, Request as Pending};

/// Without a tick for this long, beyond three polls, the agent is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// Time that a connection may take to send its request; a probe takes milliseconds.
const REQUEST: Duration = Duration::from_secs(2);

/// Time that a connection may last; a client that does not read its answer is not waited for.
const CONNECTION: Duration = Duration::from_secs(10);

/// Pause after the kernel refused to accept a connection, for want of descriptors for example.
const REFUSED: Duration = Duration::from_millis(100);

/// Health that `/livez` and `/readyz` report. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Option<(Moment, bool)>>>);

impl Health {
    /// Notes that the agent has had its turn, and whether the runtime answered.
    pub fn ticked(&self, now: Moment, runtime_well: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, runtime_well));
    }

    fn last(&self) -> Option<(Moment, bool)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that the admin address answers from.
#[derive(Debug)]
pub struct Admin {
    /// Health of the agent.
    pub health: Health,
    /// The metrics.
    pub registry: Registry,
    /// The time that is taken as now.
    pub clock: Clock,
    /// The agent's poll.
    pub poll: Duration,
    /// Moment at which the process was started.
    pub started: Moment,
}

/// Binds the admin address.
///
/// # Errors
/// If it cannot be bound.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on the admin address {address}"))
}

/// Answers for ever. Whoever connects is served at once: where there are too many connections, another one is dropped.
pub async fn serve(listener: TcpListener, admin: Admin) -> Infallible {
    let admin = Arc::new(admin);
    let mut connections = Connections::default();
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(REFUSED).await;
            continue;
        };
        let pending = Pending::default();
        let served = answer_one(stream, admin.clone(), pending.clone());
        connections.add(peer.ip(), pending, served).await;
        // It has its turn before the next one may drop it: most requests come with their connection.
        tokio::task::yield_now().await;
    }
}

async fn answer_one(stream: TcpStream, admin: Arc<Admin>, pending: Pending) {
    let service = service_fn(move |request| {
        pending.has_come();
        let answer = admin.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .keep_alive(false);
    // One that breaks, or is too slow, concerns nobody.
    let _ = within(
        CONNECTION,
        server.serve_connection(TokioIo::new(stream), service),
    )
    .await;
}

impl Admin {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match request.uri().path() {
            "/livez" => match self.alive() {
                true => text(StatusCode::OK, "ok\n"),
                false => text(StatusCode::INTERNAL_SERVER_ERROR, "the agent is stuck\n"),
            },
            "/readyz" => match self.health.last() {
                Some((_, true)) => text(StatusCode::OK, "ok\n"),
                Some((_, false)) => text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the container runtime does not answer\n",
                ),
                None => text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            },
            "/metrics" => self.metrics(),
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /livez, /readyz and /metrics\n",
            ),
        }
    }

    fn alive(&self) -> bool {
        let last = self.health.last().map_or(self.started, |(at, _)| at);
        self.clock.now().since(last) < self.poll * 3 + STUCK
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let mut body = String::new();
        match prometheus_client::encoding::text::encode(&mut body, &self.registry) {
            Ok(()) => respond(
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                body,
            ),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "cannot be encoded\n"),
        }
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", body)
}

fn respond(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let content_type = header::HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}
