//! One request to the API server: one deadline around all of it, and a typed error.
//!
//! kube's own calls drop `Retry-After`, and read an answer of any length.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::response::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use jiff::fmt::rfc2822;
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use kube::core::request::Error as Unsendable;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::deadline::within;
use crate::text::{cut, redacted};

/// A whole answer takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time that the API server may take to go on with a list.
pub(crate) const PATIENCE_OF_LISTS: Duration = Duration::from_secs(30);

/// The longest answer in bytes: a Pod is stored in 1.5 MiB at most, and in JSON a character may take
/// six times its bytes.
const LONGEST: usize = 10 * 1024 * 1024;

/// The longest refusal in bytes. What follows is not read.
const LONGEST_REFUSAL: usize = 256 * 1024;

/// The longest answer in bytes that is read beside others.
const SHORT: usize = 64 * 1024;

/// The turn of a longer answer. The text of one at a time is in memory: those of the largest Pods of a
/// node would together exceed the agent's limit.
static LONG: Semaphore = Semaphore::const_new(1);

/// The longest message of a refusal that is kept, in bytes.
const MESSAGE: usize = 2 * 1024;

/// Reason why a request failed.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The API server, or what stands before it, refused the request.
    Refused(Box<Refused>),
    /// No answer, or none that can be read.
    NoAnswer(String),
}

impl ApiError {
    /// Returns the pause that the API server asks for before the next try (`Retry-After`).
    pub(crate) fn asked(&self) -> Option<Duration> {
        match self {
            Self::Refused(refused) => refused.retry_after,
            Self::NoAnswer(_) => None,
        }
    }
}

/// An answer that refuses a request.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The status code.
    pub(crate) code: u16,
    /// The API server's own words about it; a made-up one with the text of an answer that is none of its.
    status: Status,
    /// Pause that the server asks for before the next try.
    pub(crate) retry_after: Option<Duration>,
}

impl Refused {
    pub(crate) fn new(code: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let mut status = serde_json::from_slice::<Status>(body)
            .unwrap_or_else(|_| Status::failure(String::from_utf8_lossy(body).trim(), ""));
        status.message = cut(&status.message, MESSAGE);
        // A date is allowed by HTTP, but Kubernetes sends seconds only.
        let asked = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        let asked = asked.and_then(|seconds| seconds.trim().parse().ok());
        let told = status
            .details
            .as_ref()
            .map(|details| details.retry_after_seconds);
        let seconds = asked.or(told.map(u64::from)).filter(|seconds| *seconds > 0);
        Self {
            code: code.as_u16(),
            status,
            retry_after: seconds.map(Duration::from_secs),
        }
    }

    /// The API server's message, without secrets, and not longer than 2 KiB.
    pub(crate) fn message(&self) -> &str {
        &self.status.message
    }

    /// Returns true if an admission policy denied the request with this code.
    pub(crate) fn is_denied_with(&self, code: &str) -> bool {
        self.denial_with(code).is_some()
    }

    /// Returns what follows this code, with which the message of an admission policy begins that denied
    /// the request. The API server makes such a denial a cause without a field: the names of the policy
    /// and of its binding, `: `, and the message. A cause that quotes the object has a field.
    pub(crate) fn denial_with(&self, code: &str) -> Option<&str> {
        self.denials().find_map(|denial| {
            let (_, message) = denial.split_once(": ")?;
            message.strip_prefix(code)?.strip_prefix(": ")
        })
    }

    /// Returns the denials of admission policies.
    pub(crate) fn denials(&self) -> impl Iterator<Item = &str> {
        let details = self.status.details.iter();
        let causes = details.flat_map(|details| &details.causes);
        let denials = causes.filter(|cause| cause.field.is_empty());
        denials.map(|cause| cause.message.as_str())
    }

    /// Returns whether a value of this field is the cause.
    pub(crate) fn is_about(&self, field: &str) -> bool {
        let details = self.status.details.iter();
        details
            .flat_map(|details| &details.causes)
            .any(|cause| cause.field == field)
    }

    /// Returns whether the API server says that there is no such object. A proxy may answer 404 to anything.
    pub(crate) fn is_not_found(&self) -> bool {
        self.code == 404 && self.status.reason == "NotFound"
    }

    /// Returns whether the same request may succeed after a while.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.code, 408 | 425 | 429 | 500..)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message())
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::NoAnswer(why) => f.write_str(why),
        }
    }
}

/// Answer, and the time of it.
#[derive(Debug)]
pub(crate) struct Dated<T> {
    /// The answer.
    pub(crate) body: T,
    /// Seconds since the epoch by the API server's clock; `None` if it does not say.
    pub(crate) date: Option<u64>,
}

/// Makes a request, and reads its answer.
///
/// # Errors
/// The API server's refusal, or the reason why there is no answer.
pub(crate) async fn call<T: DeserializeOwned>(
    client: &Client,
    request: Result<http::Request<Vec<u8>>, Unsendable>,
) -> Result<T, ApiError> {
    Ok(call_dated(client, request).await?.body)
}

/// Makes a request, and reads its answer and the API server's clock.
///
/// # Errors
/// The same as of [`call`].
pub(crate) async fn call_dated<T: DeserializeOwned>(
    client: &Client,
    request: Result<http::Request<Vec<u8>>, Unsendable>,
) -> Result<Dated<T>, ApiError> {
    let request = request.map_err(|error| no_answer(&error))?;
    within(PATIENCE, exchange(client, request))
        .await
        .map_err(|late| ApiError::NoAnswer(late.to_string()))?
}

/// Makes a request whose answer is read while it comes. The caller sets the deadline.
///
/// # Errors
/// The API server's refusal, or the reason why there is no answer.
pub(crate) async fn call_in_pieces(
    client: &Client,
    request: Result<http::Request<Vec<u8>>, Unsendable>,
) -> Result<Body, ApiError> {
    let request = request.map_err(|error| no_answer(&error))?;
    let answer = client.send(request.map(Body::from)).await;
    let (head, body) = answer.map_err(|error| no_answer(&error))?.into_parts();
    if head.status.is_success() {
        return Ok(body);
    }
    Err(refusal(&head, body).await)
}

/// Reads a refusal, as far as it is kept.
async fn refusal(head: &Parts, mut body: Body) -> ApiError {
    let mut text = Vec::new();
    while text.len() < LONGEST_REFUSAL {
        match body.frame().await {
            Some(Ok(frame)) => text.extend(frame.data_ref().into_iter().flatten()),
            Some(Err(error)) => return no_answer(&error),
            None => break,
        }
    }
    text.truncate(LONGEST_REFUSAL);
    let refused = Refused::new(head.status, &head.headers, &text);
    ApiError::Refused(Box::new(refused))
}

/// Seconds since the epoch of an HTTP date.
fn seconds(date: &str) -> Option<u64> {
    let date = rfc2822::parse(date).ok()?;
    date.timestamp().as_second().try_into().ok()
}

async fn exchange<T: DeserializeOwned>(
    client: &Client,
    request: http::Request<Vec<u8>>,
) -> Result<Dated<T>, ApiError> {
    let answer = client.send(request.map(Body::from)).await;
    let (head, mut body) = answer.map_err(|error| no_answer(&error))?.into_parts();
    if !head.status.is_success() {
        return Err(refusal(&head, body).await);
    }
    // The text is dropped before the turn ends.
    let mut turn = None;
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| no_answer(&error))?;
        text.extend(frame.data_ref().into_iter().flatten());
        if text.len() > LONGEST {
            let why = format!("the answer is longer than {LONGEST} bytes");
            return Err(ApiError::NoAnswer(why));
        }
        if text.len() > SHORT && turn.is_none() {
            turn = Some(LONG.acquire().await.map_err(|error| no_answer(&error))?);
        }
    }
    let date = head.headers.get(DATE).and_then(|date| date.to_str().ok());
    Ok(Dated {
        body: serde_json::from_slice(&text).map_err(|error| no_answer(&error))?,
        date: date.and_then(seconds),
    })
}

/// An error and what caused it, in one line, without secrets.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        source = cause.source();
    }
    redacted(&out).into_owned()
}

pub(crate) fn no_answer(error: &(dyn Error + 'static)) -> ApiError {
    ApiError::NoAnswer(chain(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, header: Option<&'static str>, body: &str) -> Refused {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(RETRY_AFTER, http::HeaderValue::from_static(value));
        }
        Refused::new(code.try_into().unwrap(), &headers, body.as_bytes())
    }

    #[test]
    fn retry_after_is_read_from_the_header_or_the_details() {
        let details = r#"{"status":"Failure","details":{"retryAfterSeconds":7}}"#;
        for (header, body, expected) in [
            (Some("3"), "Too many requests", Some(3)),
            (Some(" 4 "), details, Some(4)),
            (None, details, Some(7)),
            (Some("Fri, 31 Dec 1999 23:59:59 GMT"), details, Some(7)),
            (Some("0"), "", None),
            (Some("-1"), "", None),
            (None, "<html>", None),
        ] {
            let found = refused(429, header, body).retry_after;
            let expected = expected.map(Duration::from_secs);
            assert_eq!(found, expected, "{header:?} {body}");
        }
    }

    #[test]
    fn an_answer_that_is_no_status_is_shown_as_it_is() {
        let refused = refused(502, None, " <html>bad gateway</html>\n");
        assert_eq!(refused.to_string(), "502 <html>bad gateway</html>");
        assert!(refused.passes() && !refused.is_denied_with("pullwarden.io/held"));
    }

    #[test]
    fn a_long_message_is_cut_and_keeps_its_denials() {
        let denial =
            "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: pullwarden.io/held: x";
        let long = "é".repeat(20_000);
        let body = serde_json::json!({ "message": long, "details": { "causes": [{ "message": denial }] } });
        let denied = refused(403, None, &body.to_string());
        assert_eq!(denied.message().len(), MESSAGE);
        assert!(denied.is_denied_with("pullwarden.io/held"));
        let page = refused(502, None, &"x".repeat(60_000));
        assert_eq!(page.message().len(), MESSAGE);
    }

    #[test]
    fn a_date_is_read_as_http_has_it() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        for date in ["", "yesterday", "Mon, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(seconds(date), None, "{date}");
        }
    }

    #[test]
    fn what_is_final_does_not_pass() {
        for code in [400, 401, 403, 404, 405, 409, 410, 413, 415, 422] {
            assert!(!refused(code, None, "").passes(), "{code}");
        }
        for code in [408, 429, 500, 502, 503, 504] {
            assert!(refused(code, None, "").passes(), "{code}");
        }
    }
}
