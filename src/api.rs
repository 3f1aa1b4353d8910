//! One request to the API server: one deadline around all of it, and a typed error.
//!
//! kube's own calls drop `Retry-After`, and read an answer of any length.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use jiff::fmt::rfc2822;
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use kube::core::request::Error as Unsendable;
use serde::de::DeserializeOwned;

use crate::deadline::within;
use crate::text::redacted;

/// A whole answer takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time that the API server may take to go on with a list.
pub(crate) const PATIENCE_OF_LISTS: Duration = Duration::from_secs(30);

/// The longest answer: a Pod is stored in 1.5 MiB at most, and its JSON takes a few times that.
const LONGEST: usize = 8 * 1024 * 1024;

/// The longest text of a refusal, where an answer is read while it comes.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// Why a request did not do what it should.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The API server, or what stands before it, refused the request.
    Refused(Box<Refused>),
    /// No answer, or none that can be read.
    NoAnswer(String),
}

/// An answer that refuses a request.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The status code.
    pub(crate) code: u16,
    /// The API server's own words about it; a made-up one with the text of an answer that is none of its.
    status: Status,
    /// When the client may come again, as the server asks.
    pub(crate) retry_after: Option<Duration>,
}

impl Refused {
    pub(crate) fn new(code: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let status = serde_json::from_slice::<Status>(body)
            .unwrap_or_else(|_| Status::failure(String::from_utf8_lossy(body).trim(), ""));
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

    /// The API server's message, without secrets.
    pub(crate) fn message(&self) -> String {
        redacted(&self.status.message).into_owned()
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
    let (code, headers, body) = within(PATIENCE, exchange(client, request))
        .await
        .map_err(|late| ApiError::NoAnswer(late.to_string()))??;
    if !code.is_success() {
        let refused = Refused::new(code, &headers, &body);
        return Err(ApiError::Refused(Box::new(refused)));
    }
    let date = headers.get(DATE).and_then(|value| value.to_str().ok());
    let body = serde_json::from_slice(&body).map_err(|error| no_answer(&error))?;
    Ok(Dated {
        body,
        date: date.and_then(seconds),
    })
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
    let text = Limited::new(body, LONGEST_REFUSAL).collect().await;
    let text = text.map_err(|error| no_answer(error.as_ref()))?.to_bytes();
    let refused = Refused::new(head.status, &head.headers, &text);
    Err(ApiError::Refused(Box::new(refused)))
}

/// Seconds since the epoch of an HTTP date.
fn seconds(date: &str) -> Option<u64> {
    let date = rfc2822::parse(date).ok()?;
    date.timestamp().as_second().try_into().ok()
}

async fn exchange(
    client: &Client,
    request: http::Request<Vec<u8>>,
) -> Result<(StatusCode, HeaderMap, Vec<u8>), ApiError> {
    let answer = client.send(request.map(Body::from)).await;
    let (head, body) = answer.map_err(|error| no_answer(&error))?.into_parts();
    let body = Limited::new(body, LONGEST).collect().await;
    let body = body.map_err(|error| no_answer(error.as_ref()))?;
    Ok((head.status, head.headers, body.to_bytes().into()))
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
