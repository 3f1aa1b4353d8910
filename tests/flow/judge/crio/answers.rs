//! Answers of registries and of token servers, and what networks do.

use pullwarden::judge::Cause::*;

use super::{HTML, blob, child, manifest, source};

#[test]
fn a_manifest_that_does_not_exist() {
    for inner in [
        "manifest unknown",
        "manifest unknown: manifest unknown",
        "manifest unknown: Failed to fetch \"1\" from request \"/v2/p/a/manifests/1\".",
        "manifest unknown: Requested image not found",
        "manifest unknown: manifest tagged by \"1\" is not found",
        "manifest unknown: The named manifest is not known to the registry.",
        "name unknown",
        "name unknown: repository name not known to registry",
        "name unknown: Repository \"images\" not found",
        "name unknown: The repository with name 'a' does not exist in the registry with id '1'",
        "repository name not known to registry",
        "unknown: repository library/a not found",
        "unknown: artifact library/a:1 not found",
        "unknown: resource not found: repo library/a, tag 1 not found",
        "unknown: The named manifest is not known to the registry.",
        "unknown: Tag 1 was deleted or has expired. To pull, revive via time machine",
    ] {
        manifest(inner, ImageNotFound);
    }
}

/// Quay says the same of all that goes wrong at the registry that an organisation stands for.
#[test]
fn an_organisation_of_quay_whose_upstream_fails() {
    let words = "manifest unknown: the requested image may not exist in the upstream registry, \
                 or the configured Quay organization credentials have insufficient rights to access it";
    manifest(&format!("{words} (404)"), ImageNotFound);
    for why in [
        "403",
        "429",
        "502",
        "HTTPSConnectionPool(host='registry-1.docker.io', port=443): Max retries exceeded with url: /v2/",
        "('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
        "Failed to get token from: 'https://auth.docker.io/token', with status code: 503",
    ] {
        manifest(&format!("{words} ({why})"), RegistryUnavailable);
    }
}

#[test]
fn a_page_of_what_stands_before_the_registry() {
    for inner in [
        r#"StatusCode: 403, "<!DOCTYPE html>\n<html>\n<head><title>Just a moment...""#,
        r#"StatusCode: 403, """#,
        "invalid character 'ï' looking for beginning of value",
        "exceeded maximum allowed size of 4194304 bytes",
    ] {
        manifest(inner, RegistryUnavailable);
        child(inner, RegistryUnavailable);
    }
}

/// Go words the proxy's answer to CONNECT so.
#[test]
fn a_proxy_that_does_not_connect() {
    for words in ["Forbidden", "Service Unavailable", "Not Found"] {
        let get = |path: &str| format!("Get \"https://r.example/v2/a/{path}\": {words}");
        source(
            &format!("reading manifest 1 in r.example/a: {}", get("manifests/1")),
            Unreachable,
        );
        blob(&get("blobs/sha256:9f86d081"), Unreachable);
    }
}

#[test]
fn a_registry_that_refuses() {
    for inner in [
        "authentication required",
        "unauthorized",
        "unauthorized: authentication required",
        "unauthorized: access to the requested resource is not authorized",
        "unauthorized: unauthorized to access repository: library/a, action: pull: unauthorized to access repository: library/a, action: pull",
        "unauthorized: authentication required, visit https://aka.ms/acr/authorization for more information.",
        "denied",
        "denied: requested access to the resource is denied",
        "denied: Permission \"artifactregistry.repositories.downloadArtifacts\" denied on resource \"projects/p\" (or it may not exist)",
        "denied: User: arn:aws:sts::1:assumed-role/n is not authorized to perform: ecr:BatchGetImage on resource: arn:aws:ecr:eu:1:repository/a",
        "requested access to the resource is denied",
        r#"StatusCode: 403, "{\"message\":\"Forbidden\"}""#,
    ] {
        manifest(inner, Denied);
    }
    for inner in [
        "Requesting bearer token: invalid status code from registry 403 (Forbidden)",
        "Requesting bearer token: received unexpected HTTP status: 403 Forbidden",
        "requesting bearer token: invalid status code from registry 401 (Unauthorized)",
    ] {
        source(inner, Denied);
        source(
            &format!("reading manifest 1 in r.example/a: {inner}"),
            Denied,
        );
    }
    for inner in [
        "unauthorized: incorrect username or password",
        "authentication required",
        "unauthorized: Please login to the Red Hat Registry using your Customer Portal credentials.",
    ] {
        source(
            &format!("unable to retrieve auth token: invalid username/password: {inner}"),
            BadCredentials,
        );
    }
}

#[test]
fn a_registry_in_trouble() {
    for inner in [
        "unknown: unknown error",
        "unknown: database is locked",
        "unknown: Remote Auto Blocked until 2026-08-13T07:45:05.681Z",
        "received unexpected HTTP status: 500 Internal Server Error",
        "received unexpected HTTP status: 502 Bad Gateway",
        "received unexpected HTTP status: 503 Service Unavailable",
        "received unexpected HTTP status: 504 Gateway Timeout",
        "received unexpected HTTP status: 302 Found",
        "service unavailable",
        r#"StatusCode: 409, "{\"message\":\"Conflict\"}""#,
        r#"StatusCode: 418, "I'm a teapot""#,
        r#"StatusCode: 425, """#,
        &format!("StatusCode: 404, {HTML}"),
        r#"StatusCode: 404, "404 page not found\n""#,
        r#"StatusCode: 404, "default backend - 404""#,
        r#"Get "https://r.example/v2/a/manifests/1": stopped after 10 redirects"#,
        "The operation is unsupported.",
    ] {
        manifest(inner, RegistryUnavailable);
    }
    for inner in [
        "received unexpected HTTP status: 503 Service Unavailable".to_owned(),
        format!("StatusCode: 404, {HTML}"),
        r#"StatusCode: 405, """#.to_owned(),
    ] {
        let ping = format!("pinging container registry r.example: {inner}");
        source(&ping, RegistryUnavailable);
    }
    for inner in [
        "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating",
        "toomanyrequests: Retry-After: 149ms, allowed: 44000/minute",
        "toomanyrequests",
        "too many requests",
        r#"StatusCode: 429, "Too many requests""#,
        "denied: Rate exceeded",
        "unknown: You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        "unknown: This request is blocked due to recurrent login failures, please try again in 4 seconds",
    ] {
        manifest(inner, TooManyRequests);
        child(inner, TooManyRequests);
    }
    source("too many requests to registry", TooManyRequests);
    source(
        "Requesting bearer token: too many requests to registry",
        TooManyRequests,
    );
}

#[test]
fn a_token_server_in_trouble() {
    let page = format!(
        "decoding bearer token (last URL \"https://r.example/token?scope=repository%3Aa%3Apull\", body start {HTML})"
    );
    for inner in [
        format!("{page}: invalid character '<' looking for beginning of value"),
        format!("{page}: invalid character 'm' looking for beginning of value"),
        format!("{page}: unexpected end of JSON input"),
        "Requesting bearer token: invalid status code from registry 502 (Bad Gateway)".to_owned(),
        "Requesting bearer token: received unexpected HTTP status: 404 Not Found".to_owned(),
        "Trying to obtain access token: received unexpected HTTP status: 503 Service Unavailable"
            .to_owned(),
        "missing realm in bearer auth challenge".to_owned(),
    ] {
        source(&inner, RegistryUnavailable);
        let read = format!("reading manifest 1 in r.example/a: {inner}");
        source(&read, RegistryUnavailable);
    }
    let get = r#"Get "https://auth.r.example/token?scope=repository%3Aa%3Apull&service=r.example""#;
    source(
        &format!("{get}: dial tcp: lookup auth.r.example: no such host"),
        HostNotFound,
    );
    source(
        &format!("{get}: dial tcp 192.0.2.1:443: i/o timeout"),
        Timeout,
    );
}

#[test]
fn a_network_in_trouble() {
    let get = r#"Get "https://r.example/v2/""#;
    for (inner, expected) in [
        (
            "dial tcp: lookup r.example on 10.96.0.10:53: no such host",
            HostNotFound,
        ),
        (
            "dial tcp: lookup r.example on 10.96.0.10:53: server misbehaving",
            HostNotFound,
        ),
        (
            "dial tcp: lookup r.example: Temporary failure in name resolution",
            HostNotFound,
        ),
        (
            "dial tcp 192.0.2.1:443: connect: connection refused",
            ConnectionRefused,
        ),
        (
            "dial tcp 192.0.2.1:443: connect: no route to host",
            Unreachable,
        ),
        (
            "dial tcp 192.0.2.1:443: connect: permission denied",
            Unreachable,
        ),
        ("dial tcp 192.0.2.1:443: i/o timeout", Timeout),
        ("net/http: TLS handshake timeout", Timeout),
        ("context deadline exceeded", Timeout),
        ("EOF", ConnectionBroken),
        (
            "read tcp 10.0.0.2:4->192.0.2.1:443: read: connection reset by peer",
            ConnectionBroken,
        ),
        (
            "http: server gave HTTP response to HTTPS client",
            TlsFailure,
        ),
        (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            TlsFailure,
        ),
        (
            "proxyconnect tcp: dial tcp 192.0.2.9:3128: connect: connection refused",
            ConnectionRefused,
        ),
        ("Proxy Authentication Required", Unreachable),
        ("Bad Gateway", Unreachable),
    ] {
        source(
            &format!("pinging container registry r.example: {get}: {inner}"),
            expected,
        );
    }
}
