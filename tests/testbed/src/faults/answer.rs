//! Answers that do not come from the real registry.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::body::{Body, full};
use crate::image::{Blob, INDEX, MANIFEST};

const SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// A text.
pub fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response
}

/// A refusal with this status, in the form that registries use.
pub fn refusal(status: u16) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (code, message) = match status {
        StatusCode::UNAUTHORIZED => ("UNAUTHORIZED", "authentication required"),
        StatusCode::FORBIDDEN => ("DENIED", "requested access to the resource is denied"),
        StatusCode::NOT_FOUND => ("MANIFEST_UNKNOWN", "manifest unknown"),
        StatusCode::TOO_MANY_REQUESTS => ("TOOMANYREQUESTS", "rate limit exceeded"),
        StatusCode::SERVICE_UNAVAILABLE => ("UNAVAILABLE", "try again later"),
        _ => ("UNKNOWN", "unknown error"),
    };
    let body = json!({"errors": [{"code": code, "message": message}]});
    let response = plain(status, body.to_string());
    with(response, CONTENT_TYPE, "application/json")
}

/// 429 that says when to come back.
pub fn come_back(seconds: u64) -> Response<Body> {
    with(refusal(429), RETRY_AFTER, &seconds.to_string())
}

/// 401 with a Basic challenge.
pub fn basic_challenge() -> Response<Body> {
    with(refusal(401), WWW_AUTHENTICATE, "Basic realm=\"faults\"")
}

/// 401 with a challenge that names the token server of the repository on the same host.
pub fn token_challenge(host: &str, repository: &str, error: Option<&str>) -> Response<Body> {
    let error = error.map_or(String::new(), |error| format!(",error=\"{error}\""));
    let challenge = format!(
        "Bearer realm=\"http://{host}/token/{repository}\",service=\"faults\",\
         scope=\"repository:{repository}:pull\"{error}"
    );
    with(refusal(401), WWW_AUTHENTICATE, &challenge)
}

/// A token that is good for nothing in particular.
pub fn token() -> Response<Body> {
    let body = json!({"token": "faults", "access_token": "faults", "expires_in": 300});
    let response = plain(StatusCode::OK, body.to_string());
    with(response, CONTENT_TYPE, "application/json")
}

/// A web page, such as that of a captive portal.
pub fn page() -> Response<Body> {
    let text = "<!DOCTYPE html><html><title>Welcome</title><p>Please sign in.</html>\n";
    let response = plain(StatusCode::OK, text.to_owned());
    with(response, CONTENT_TYPE, "text/html; charset=utf-8")
}

/// What is no manifest, served as one.
pub fn garbage() -> Response<Body> {
    manifest(MANIFEST, b"this is not JSON\n".to_vec())
}

/// An index with one image, for an architecture that no testbed runs on.
pub fn other_platform() -> Response<Body> {
    let absent = Blob::new(b"an image for another architecture".to_vec());
    let mut descriptor = absent.descriptor(MANIFEST);
    descriptor["platform"] = json!({"architecture": "s390x", "os": "linux"});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]});
    manifest(INDEX, index.to_string().into_bytes())
}

/// What the real registry gives as a manifest, rewritten to schema 1 and signed, with a signature
/// that nobody checks. An error of the real registry is passed on.
pub fn schema1(repository: &str, status: StatusCode, original: &[u8]) -> Response<Body> {
    if !status.is_success() {
        return refusal(status.as_u16());
    }
    let original: Value = serde_json::from_slice(original).unwrap_or_default();
    let layers = original["layers"].as_array().cloned().unwrap_or_default();
    let compatible = json!({
        "id": "0", "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": ["/testimage"], "Cmd": ["pause"]},
    });
    let layer = |layer: &Value| json!({"blobSum": layer["digest"]});
    let history = |_: &Value| json!({"v1Compatibility": compatible.to_string()});
    let body = json!({
        "schemaVersion": 1, "name": repository, "tag": "1", "architecture": "amd64",
        "fsLayers": layers.iter().map(layer).collect::<Vec<_>>(),
        "history": layers.iter().map(history).collect::<Vec<_>>(),
    });
    let body = body.to_string();
    // What was signed is the document without its last brace, and that brace.
    let open = &body[..body.len() - 1];
    let encoded = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let protected = json!({"formatLength": open.len(), "formatTail": encoded("}")});
    let signatures = json!([{
        "header": {"alg": "ES256"}, "signature": encoded("unchecked"),
        "protected": encoded(&protected.to_string()),
    }]);
    let signed = format!("{open},\"signatures\":{signatures}}}");
    manifest(SCHEMA1, signed.into_bytes())
}

fn manifest(media_type: &str, bytes: Vec<u8>) -> Response<Body> {
    let blob = Blob::new(bytes);
    let response = Response::new(full(blob.bytes));
    let response = with(response, CONTENT_TYPE, media_type);
    let digest = HeaderName::from_static("docker-content-digest");
    with(response, digest, &blob.digest)
}

/// With another header; a value that cannot be one is left out.
fn with(mut response: Response<Body>, name: HeaderName, value: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
