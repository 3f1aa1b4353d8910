//! Causes of what a registry, its token server and the way to them answer.

use pullwarden::judge::Cause::*;

use crate::causes::{HEAD, PULL, RESOLVE, TRANSFER, check};

#[test]
fn a_missing_image() {
    for resolve in [RESOLVE, TRANSFER] {
        check(
            &format!("rpc error: code = NotFound desc = {resolve}r.example/a:1: not found"),
            ImageNotFound,
        );
    }
}

#[test]
fn not_found_of_something_else_is_not_a_missing_image() {
    for (text, expected) in [
        (
            "no match for platform in manifest sha256:0: not found",
            NoMatchingPlatform,
        ),
        (
            "failed to copy: httpReadSeeker: failed open: content at https://r.example/v2/a/blobs/sha256:0 not found: not found",
            MissingContent,
        ),
        (
            "failed to copy: httpReadSeeker: failed open: could not fetch content descriptor sha256:0 (application/json) from remote: not found",
            MissingContent,
        ),
        (
            "failed to get reader from content store: content digest sha256:0: not found",
            RuntimeTrouble,
        ),
    ] {
        check(
            &format!("rpc error: code = NotFound desc = {PULL}{text}"),
            expected,
        );
    }
    check(
        "rpc error: code = NotFound desc = get image config descriptor: no match for platform in manifest sha256:0: not found",
        NoMatchingPlatform,
    );
    // Only the reference itself, and nothing else beside it.
    for text in [
        "something new went wrong: not found",
        "r.example/a:1: a step: not found",
        "not found",
    ] {
        check(
            &format!("rpc error: code = NotFound desc = {TRANSFER}{text}"),
            Unrecognised,
        );
    }
    check(
        "rpc error: code = NotFound desc = something: not found",
        Unrecognised,
    );
}

#[test]
fn statuses() {
    let url = "https://r.example/v2/a/manifests/1";
    for (status, expected) in [
        ("401 Unauthorized", Denied),
        ("403 Forbidden", Denied),
        ("404 Not Found", MissingContent),
        ("407 Proxy Authentication Required", RegistryUnavailable),
        ("408 Request Timeout", Timeout),
        ("418 I'm a teapot", Unrecognised),
        ("429 Too Many Requests", TooManyRequests),
        ("500 Internal Server Error", RegistryUnavailable),
        ("504 Gateway Timeout", RegistryUnavailable),
    ] {
        check(
            &format!("{RESOLVE}unexpected status from HEAD request to {url}: {status}"),
            expected,
        );
        check(
            &format!(
                "{TRANSFER}unexpected status from HEAD request to {url}: {status}\ndenied: x 503"
            ),
            expected,
        );
        check(
            &format!(
                "{PULL}failed to copy: httpReadSeeker: failed open: unexpected status code {url}: {status} - Server message: unknown: 503 y"
            ),
            expected,
        );
        check(
            &format!("{RESOLVE}failed with status code [manifests 1]: {status}: unknown"),
            expected,
        );
        check(
            &format!(
                "initializing source docker://r.example/a:1: received unexpected HTTP status: {status}"
            ),
            expected,
        );
    }
}

#[test]
fn refusals_and_the_token_servers_trouble() {
    let token = "unexpected status from GET request to https://r.example/token?scope=x: ";
    for (text, expected) in [
        ("pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed".to_owned(), Denied),
        ("pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials".to_owned(), Denied),
        (format!("failed to authorize: failed to fetch oauth token: {token}401 Unauthorized"), BadCredentials),
        (format!("failed to authorize: failed to fetch anonymous token: {token}401 Unauthorized"), Denied),
        (format!("failed to authorize: failed to fetch anonymous token: {token}403 Forbidden"), Denied),
        (format!("failed to authorize: failed to fetch anonymous token: {token}404 Not Found"), RegistryUnavailable),
        (format!("failed to authorize: failed to fetch oauth token: {token}429 Too Many Requests"), TooManyRequests),
        (format!("failed to authorize: failed to fetch anonymous token: {token}500 Internal Server Error"), RegistryUnavailable),
        ("failed to authorize: failed to fetch anonymous token: unexpected status: 503 Service Unavailable".to_owned(), RegistryUnavailable),
        (r#"failed to authorize: failed to fetch anonymous token: Get "https://auth.example/token": dial tcp 10.0.0.1:443: connect: connection refused"#.to_owned(), ConnectionRefused),
        ("failed to authorize: failed to fetch anonymous token: unable to decode token response: invalid character '<' looking for beginning of value".to_owned(), RegistryUnavailable),
    ] {
        check(&format!("{RESOLVE}{text}"), expected);
        check(&format!("{TRANSFER}{text}"), expected);
    }
}

#[test]
fn the_way_to_the_registry() {
    for (text, expected) in [
        (
            "dial tcp: lookup r.example on 10.0.0.10:53: no such host",
            HostNotFound,
        ),
        ("dial tcp: lookup r.example: i/o timeout", HostNotFound),
        (
            "dial tcp 10.0.0.1:443: connect: connection refused",
            ConnectionRefused,
        ),
        (
            "dial tcp 10.0.0.1:443: connect: permission denied",
            Unreachable,
        ),
        (
            "dial tcp 10.0.0.1:443: connect: no route to host",
            Unreachable,
        ),
        ("dial tcp 10.0.0.1:443: i/o timeout", Timeout),
        ("proxyconnect tcp: some words", Unreachable),
        ("net/http: TLS handshake timeout", Timeout),
        (
            "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
            Timeout,
        ),
        ("context deadline exceeded", Timeout),
        (
            "read tcp 10.0.0.2:1->10.0.0.1:443: read: connection reset by peer",
            ConnectionBroken,
        ),
        ("EOF", ConnectionBroken),
        (
            "http: server gave HTTP response to HTTPS client",
            TlsFailure,
        ),
        (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            TlsFailure,
        ),
        (
            "x509: certificate has expired or is not yet valid: current time 2026-01-01T00:00:00Z is after 2025-01-01T00:00:00Z",
            TlsFailure,
        ),
        ("remote error: tls: handshake failure", TlsFailure),
        ("a word nobody has heard", Unreachable),
    ] {
        check(&format!("{RESOLVE}{HEAD}{text}"), expected);
    }
}
