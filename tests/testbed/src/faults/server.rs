//! The fault registry's server.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::{Context as _, Result};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;

use crate::clock::unix_millis;

use super::rule::{Fault, Rule, Rules, Seen};

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// A slow blob comes in so many pieces.
const PIECES: usize = 40;
/// An image's configuration is smaller: only layers, which are pulled at the same time, are slow.
const SMALL: usize = 64 << 10;

struct Registry {
    upstream: SocketAddr,
    rules: Mutex<Rules>,
    log: Mutex<Vec<Seen>>,
}

/// Serves for ever.
pub async fn serve(listen: SocketAddr, upstream: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listening on {listen}"))?;
    let registry = Rc::new(Registry {
        upstream,
        rules: Mutex::default(),
        log: Mutex::default(),
    });
    let tasks = tokio::task::LocalSet::new();
    tasks
        .run_until(async {
            loop {
                let (stream, _) = listener.accept().await.context("accepting a connection")?;
                let registry = Rc::clone(&registry);
                tokio::task::spawn_local(async move {
                    let service = service_fn(|request| registry.answer(request));
                    // A client that goes away in the middle is what faults make clients do.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        })
        .await
}

impl Registry {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let path = request.uri().path().to_owned();
        if let Some(control) = path.strip_prefix("/_control/") {
            return Ok(self.control(control, request).await);
        }
        let seen = {
            let mut log = self.log();
            log.push(Seen {
                time: unix_millis(),
                method: request.method().to_string(),
                path: request.uri().to_string(),
                status: None,
            });
            log.len() - 1
        };
        let fault = self.rules().judge(&path);
        let response = match fault {
            Fault::Pass => self.forward(request, None).await,
            Fault::Slow { seconds } => {
                self.forward(request, Some(Duration::from_secs(seconds)))
                    .await
            }
            Fault::Hang => std::future::pending().await,
            Fault::Missing => refuse(
                StatusCode::NOT_FOUND,
                "MANIFEST_UNKNOWN",
                "manifest unknown",
            ),
            Fault::Forbidden => refuse(
                StatusCode::FORBIDDEN,
                "DENIED",
                "requested access to the resource is denied",
            ),
            Fault::Denied => {
                let mut response = refuse(
                    StatusCode::UNAUTHORIZED,
                    "UNAUTHORIZED",
                    "authentication required",
                );
                response.headers_mut().insert(
                    header::WWW_AUTHENTICATE,
                    header::HeaderValue::from_static("Basic realm=\"faults\""),
                );
                response
            }
            Fault::Unavailable => refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "UNAVAILABLE",
                "try again later",
            ),
            Fault::TooMany => refuse(
                StatusCode::TOO_MANY_REQUESTS,
                "TOOMANYREQUESTS",
                "rate limit exceeded",
            ),
        };
        if let Some(seen) = self.log().get_mut(seen) {
            seen.status = Some(response.status().as_u16());
        }
        Ok(response)
    }

    async fn control(&self, path: &str, request: Request<Incoming>) -> Response<Body> {
        let method = request.method().clone();
        match (method, path.strip_prefix("faults/")) {
            (Method::PUT, Some(repository)) => {
                let rule = match request.into_body().collect().await {
                    Ok(body) => serde_json::from_slice::<Rule>(&body.to_bytes()),
                    Err(error) => return plain(StatusCode::BAD_REQUEST, error.to_string()),
                };
                match rule {
                    Ok(rule) => self.rules().set(repository, rule),
                    Err(error) => return plain(StatusCode::BAD_REQUEST, error.to_string()),
                }
                plain(StatusCode::OK, String::new())
            }
            (Method::DELETE, Some(repository)) => {
                self.rules().heal(repository);
                plain(StatusCode::OK, String::new())
            }
            (Method::GET, None) if path == "log" => match serde_json::to_string(&*self.log()) {
                Ok(text) => plain(StatusCode::OK, text),
                Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            },
            _ => plain(StatusCode::NOT_FOUND, format!("no such control: {path}")),
        }
    }

    /// Asks the real registry. With `slow`, a blob takes that long to come.
    async fn forward(&self, request: Request<Incoming>, slow: Option<Duration>) -> Response<Body> {
        let blob = request.method() == Method::GET && request.uri().path().contains("/blobs/");
        let forwarded = async {
            let stream = TcpStream::connect(self.upstream).await?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            // The connection's end is seen by the request on it.
            let _connection = tokio::task::spawn_local(connection);
            anyhow::Ok(sender.send_request(request).await?)
        };
        match (forwarded.await, slow) {
            (Ok(response), Some(time)) if blob && response.status().is_success() => {
                let (parts, body) = response.into_parts();
                match body.collect().await.map(Collected::to_bytes) {
                    Ok(body) if body.len() < SMALL => Response::from_parts(parts, full(body)),
                    Ok(body) => Response::from_parts(parts, trickle(body, time)),
                    Err(error) => plain(StatusCode::BAD_GATEWAY, error.to_string()),
                }
            }
            (Ok(response), _) => response.map(|body| body.boxed_unsync()),
            (Err(error), _) => plain(StatusCode::BAD_GATEWAY, format!("{error:#}")),
        }
    }
}

/// The bytes, in pieces that are spread over the time.
fn trickle(bytes: Bytes, time: Duration) -> Body {
    let size = bytes.len().div_ceil(PIECES).max(1);
    let pause = time / u32::try_from(PIECES).unwrap_or(1);
    Trickle {
        rest: bytes,
        size,
        pause,
        sleep: Box::pin(tokio::time::sleep(pause)),
    }
    .boxed_unsync()
}

struct Trickle {
    rest: Bytes,
    size: usize,
    pause: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl hyper::body::Body for Trickle {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        ready!(self.sleep.as_mut().poll(context));
        let next = self.sleep.deadline() + self.pause;
        self.sleep.as_mut().reset(next);
        let size = self.size.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
    let mut response = plain(status, body.to_string());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(full(Bytes::from(text)));
    *response.status_mut() = status;
    response
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}
