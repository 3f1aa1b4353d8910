//! `/livez`, `/readyz` and `/metrics`, on a loopback address unless told otherwise.

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
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::judge::Moment;

/// Without a tick for this long, beyond three polls, the agent is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// Connections served at a time; more wait.
const CONNECTIONS: usize = 16;

/// How long a connection may take to send its request.
const SLOW: Duration = Duration::from_secs(10);

/// What `/livez` and `/readyz` go by. Cloning shares it.
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

/// What the admin address answers from.
#[derive(Debug)]
pub struct Admin {
    /// How the agent is doing.
    pub health: Health,
    /// The metrics.
    pub registry: Registry,
    /// The time that is taken as now.
    pub clock: Clock,
    /// The agent's poll.
    pub poll: Duration,
    /// When the process was started.
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

/// Answers for ever.
pub async fn serve(listener: TcpListener, admin: Admin) -> Infallible {
    let admin = Arc::new(admin);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            // Nobody closes the semaphore.
            return std::future::pending().await;
        };
        // A connection that breaks before it is accepted concerns nobody.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let admin = admin.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = admin.answer(&request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut server = http1::Builder::new();
            server
                .timer(TokioTimer::new())
                .header_read_timeout(SLOW)
                .keep_alive(false);
            // So does one that breaks while it is answered.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
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
