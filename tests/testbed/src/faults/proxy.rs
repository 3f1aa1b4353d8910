//! What the fault registry answers: what the real registry says, or a fault instead.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt as _, Collected};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderValue, RANGE};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::clock::unix_millis;
use crate::image::MANIFEST;
use crate::settings::FAULTS_CHALLENGING;

use super::answer::{self, plain, refusal};
use super::body::{Body, broken_off, full, stalled, trickle};
use super::line::Line;
use super::rule::{Fault, Kind, Rule, Rules, Seen, target};

/// An image's configuration is smaller: only layers, which are pulled at the same time, are spoilt.
const SMALL: usize = 64 << 10;

/// The real registry, the faults and what was asked.
#[derive(Debug)]
pub struct Proxy {
    upstream: SocketAddr,
    rules: Mutex<Rules>,
    log: Mutex<Vec<Seen>>,
}

/// What is asked, beside the request itself.
struct Asked {
    repository: String,
    host: String,
    authorization: String,
    is_blob: bool,
    /// For the rest of a layer whose beginning came.
    is_rest: bool,
}

impl Proxy {
    /// No fault yet, in front of this registry.
    pub fn new(upstream: SocketAddr) -> Self {
        Self {
            upstream,
            rules: Mutex::default(),
            log: Mutex::default(),
        }
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a request that came on this line; an error ends the connection without one.
    pub async fn answer(&self, line: &Line, request: Request<Incoming>) -> Result<Response<Body>> {
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
        let response = match asked_token(request.uri()) {
            Some(repository) => match self.rules().token(&repository) {
                Some(status) => refusal(status),
                None => answer::token(),
            },
            None if path == "/v2/" && Asked::of(&request).host == FAULTS_CHALLENGING => {
                answer::token_challenge(FAULTS_CHALLENGING, "", None)
            }
            None => {
                let fault = self.rules().judge(&path);
                self.misbehave(fault, line, request).await?
            }
        };
        if let Some(seen) = self.log().get_mut(seen) {
            seen.status = Some(response.status().as_u16());
        }
        Ok(response)
    }

    async fn misbehave(
        &self,
        fault: Fault,
        line: &Line,
        request: Request<Incoming>,
    ) -> Result<Response<Body>> {
        let asked = Asked::of(&request);
        let challenge = |error| answer::token_challenge(&asked.host, &asked.repository, error);
        Ok(match fault {
            Fault::Pass => self.forward(request).await,
            Fault::Missing => refusal(404),
            Fault::Denied => answer::basic_challenge(),
            Fault::DeniedByUser => match asked.user() {
                Some(user) if user.ends_with('1') => refusal(403),
                _ => answer::basic_challenge(),
            },
            Fault::Unchallenged => refusal(401),
            Fault::Forbidden => refusal(403),
            Fault::Token { .. } | Fault::TokenIgnored => challenge(None),
            Fault::InsufficientScope => {
                challenge(asked.has_token().then_some("insufficient_scope"))
            }
            Fault::Hang => std::future::pending().await,
            Fault::Late { seconds } => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                self.forward(request).await
            }
            Fault::Unavailable => refusal(503),
            Fault::TooMany => refusal(429),
            Fault::RetryAfter { seconds } => answer::come_back(seconds),
            Fault::Status { status } => refusal(status),
            Fault::Reset => {
                line.reset_at_the_end()?;
                return Err(anyhow!("the connection was to be reset"));
            }
            Fault::Garbage if !asked.is_blob => answer::garbage(),
            Fault::OtherPlatform if !asked.is_blob => answer::other_platform(),
            Fault::Schema1 if !asked.is_blob => self.schema1(&asked.repository, request).await,
            Fault::Garbage | Fault::OtherPlatform | Fault::Schema1 => self.forward(request).await,
            Fault::Html => answer::page(),
            Fault::Slow { .. }
            | Fault::Stall
            | Fault::ResetLayer
            | Fault::Truncated
            | Fault::Short
            | Fault::Wrong => {
                let is_layer = request.method() == Method::GET && asked.is_blob;
                let response = self.forward(request).await;
                match is_layer && response.status().is_success() {
                    true => spoil(fault, &asked, line, response).await?,
                    false => response,
                }
            }
        })
    }

    async fn schema1(&self, repository: &str, mut request: Request<Incoming>) -> Response<Body> {
        // Only a GET brings the manifest; of the answer to a HEAD just the headers are sent. The
        // real registry knows neither the digest of what is made of it nor the format.
        *request.method_mut() = Method::GET;
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static(MANIFEST));
        if let Some((name, _)) = request.uri().path().rsplit_once('/')
            && let Ok(tag) = format!("{name}/1").parse()
        {
            *request.uri_mut() = tag;
        }
        let (parts, body) = self.forward(request).await.into_parts();
        match body.collect().await.map(Collected::to_bytes) {
            Ok(original) => answer::schema1(repository, parts.status, &original),
            Err(error) => plain(StatusCode::BAD_GATEWAY, format!("{error:#}")),
        }
    }

    async fn control(&self, path: &str, request: Request<Incoming>) -> Response<Body> {
        let repository = path.strip_prefix("faults/").filter(|name| !name.is_empty());
        let is_of_faults = repository.is_some() || path == "faults" || path == "faults/";
        match request.method().clone() {
            Method::PUT if is_of_faults => {
                let rule = match request.into_body().collect().await {
                    Ok(body) => serde_json::from_slice::<Rule>(&body.to_bytes()),
                    Err(error) => return plain(StatusCode::BAD_REQUEST, error.to_string()),
                };
                match rule {
                    Ok(rule) if rule.fault.is_possible() => self.rules().set(repository, rule),
                    Ok(_) => {
                        let text = "a status of failure is 400 to 599".to_owned();
                        return plain(StatusCode::BAD_REQUEST, text);
                    }
                    Err(error) => return plain(StatusCode::BAD_REQUEST, error.to_string()),
                }
                plain(StatusCode::OK, String::new())
            }
            Method::DELETE if is_of_faults => {
                self.rules().heal(repository);
                plain(StatusCode::OK, String::new())
            }
            Method::GET if path == "log" => match serde_json::to_string(&*self.log()) {
                Ok(text) => plain(StatusCode::OK, text),
                Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            },
            _ => plain(StatusCode::NOT_FOUND, format!("no such control: {path}")),
        }
    }

    /// Asks the real registry.
    async fn forward(&self, request: Request<Incoming>) -> Response<Body> {
        let forwarded = async {
            let stream = TcpStream::connect(self.upstream).await?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            // The connection's end is seen by the request on it.
            let _connection = tokio::task::spawn_local(connection);
            anyhow::Ok(sender.send_request(request).await?)
        };
        match forwarded.await {
            Ok(response) => response.map(|body| body.map_err(Error::from).boxed_unsync()),
            Err(error) => plain(StatusCode::BAD_GATEWAY, format!("{error:#}")),
        }
    }
}

impl Asked {
    fn of(request: &Request<Incoming>) -> Self {
        let (repository, kind) = target(request.uri().path()).unwrap_or(("", Kind::Other));
        let header = |name| {
            let value = request.headers().get(name);
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        Self {
            repository: repository.to_owned(),
            host: header(HOST).to_owned(),
            authorization: header(AUTHORIZATION).to_owned(),
            is_blob: kind == Kind::Blob,
            is_rest: request.headers().contains_key(RANGE),
        }
    }

    fn has_token(&self) -> bool {
        self.authorization.starts_with("Bearer ")
    }

    /// Who asks, by user name and password.
    fn user(&self) -> Option<String> {
        let encoded = self.authorization.strip_prefix("Basic ")?;
        let decoded = BASE64_STANDARD.decode(encoded).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        Some(text.split_once(':')?.0.to_owned())
    }
}

/// The repository that a token is asked for: by the path, or by the scope where the challenge named none.
fn asked_token(uri: &Uri) -> Option<String> {
    let named = uri.path().strip_prefix("/token/")?;
    if !named.is_empty() {
        return Some(named.to_owned());
    }
    let query = uri.query().unwrap_or_default();
    let query = query.replace("%3A", ":").replace("%2F", "/");
    let mut parts = query.split('&');
    let scope = parts.find_map(|part| part.strip_prefix("scope=repository:"));
    let repository = scope.and_then(|scope| scope.split(':').next());
    Some(repository.unwrap_or_default().to_owned())
}

/// A layer's answer with the fault done to its body. What is small enough to be no layer is
/// passed on, unless it is the rest of one.
async fn spoil(
    fault: Fault,
    asked: &Asked,
    line: &Line,
    response: Response<Body>,
) -> Result<Response<Body>> {
    let (mut parts, body) = response.into_parts();
    let bytes = match body.collect().await.map(Collected::to_bytes) {
        Ok(bytes) => bytes,
        Err(error) => return Ok(plain(StatusCode::BAD_GATEWAY, format!("{error:#}"))),
    };
    if bytes.len() < SMALL && !asked.is_rest {
        return Ok(Response::from_parts(parts, full(bytes)));
    }
    // A client that asks for the rest after each break would have it all in the end.
    let half = match asked.is_rest {
        true => Bytes::new(),
        false => bytes.slice(..bytes.len() / 2),
    };
    let body = match fault {
        Fault::Slow { seconds } => trickle(bytes, Duration::from_secs(seconds)),
        Fault::Stall => stalled(half),
        Fault::Truncated => broken_off(half),
        Fault::ResetLayer => {
            line.reset_at_the_end()?;
            broken_off(half)
        }
        Fault::Short => {
            parts.headers.remove(CONTENT_LENGTH);
            full(half)
        }
        Fault::Wrong => full(bytes.iter().map(|byte| !byte).collect::<Bytes>()),
        _ => full(bytes),
    };
    Ok(Response::from_parts(parts, body))
}
