//! Causes of what a registry, its token server and the way to them answer.

use pullwarden::judge::Cause::*;

use crate::judge::causes::{HEAD, PULL, RESOLVE, TRANSFER, check};

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
        ("400 Bad Request", Unrecognised),
        ("409 Conflict", RegistryUnavailable),
        ("418 I'm a teapot", RegistryUnavailable),
        ("425 Too Early", RegistryUnavailable),
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
        ("pull access denied, repository does not exist or may require authorization: server message: invalid_token: authorization failed".to_owned(), RegistryUnavailable),
        ("invalid token auth challenge realm: parse \"https://${HOST}/token\": invalid character \"{\" in host name".to_owned(), RegistryUnavailable),
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

/// Docker's frame of an answer that is not JSON.
fn page(status: &str, body: &str) -> String {
    format!(
        "error parsing HTTP {status} response body: invalid character '<' looking for beginning of value: \"{body}\""
    )
}

#[test]
fn an_answer_that_is_not_json_goes_by_its_status() {
    for (status, expected) in [
        ("400", RegistryUnavailable),
        ("401", Denied),
        ("403", Denied),
        ("404", RegistryUnavailable),
        ("408", Timeout),
        ("429", TooManyRequests),
        ("500", RegistryUnavailable),
        ("503", RegistryUnavailable),
    ] {
        let page = page(status, "<html><body>503 toomanyrequests</body></html>");
        check(&page, expected);
        check(&format!("Error response from daemon: {page}"), expected);
    }
    check(
        "error parsing HTTP 404 response body: unexpected end of JSON input: \"\"",
        RegistryUnavailable,
    );
    // Without a status it is a page all the same.
    check(
        "error unmarshalling content: invalid character '<' looking for beginning of value",
        RegistryUnavailable,
    );
}

#[test]
fn a_storages_refusal_says_nothing_of_rights() {
    let open = "failed to copy: httpReadSeeker: failed open: unexpected status code";
    for url in [
        "https://bucket.s3.us-east-1.example/docker/registry/v2/blobs/sha256/ab/ab0/data?X-Amz-Signature=0",
        "https://storage.example/artifacts/containers/images/sha256:ab0",
        "https://account.blob.example/container/?…",
    ] {
        for status in ["401 Unauthorized", "403 Forbidden"] {
            check(
                &format!("{PULL}{open} {url}: {status}"),
                RegistryUnavailable,
            );
        }
        check(
            &format!("{PULL}{open} {url}: 429 Too Many Requests"),
            TooManyRequests,
        );
        // The same address is none of a storage's while the image's name is looked up.
        check(
            &format!("{RESOLVE}unexpected status from HEAD request to {url}: 403 Forbidden"),
            Denied,
        );
    }
    for url in [
        "https://r.example/v2/a/blobs/sha256:ab0",
        "https://mirror.example/prefix/v2/a/manifests/sha256:ab0?ns=r.example",
    ] {
        let told = format!("{PULL}{open} {url}: 403 Forbidden");
        check(
            &format!("{told} - Server message: denied: no such right"),
            Denied,
        );
        check(&format!("{told}\ndenied: no such right"), Denied);
        // containerd shows the registry's address even if it was sent on to a storage, which has no such words.
        check(&told, RegistryUnavailable);
    }
    let error = "<?xml version=\\\"1.0\\\"?>\\n<Error><Code>AccessDenied</Code></Error>";
    for stage in [
        "error pulling image configuration",
        "error pulling image configuration: download failed after attempts=6",
    ] {
        check(
            &format!("{stage}: {}", page("403", "<html>")),
            RegistryUnavailable,
        );
        check(
            &format!("{stage}: {}", page("403", error)),
            RegistryUnavailable,
        );
    }
    // Docker does not tell the stage of a layer; storage services answer in XML.
    check(&page("403", error), RegistryUnavailable);
    check(
        "reading blob sha256:0: fetching blob: StatusCode: 403, <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Err...",
        RegistryUnavailable,
    );
}

#[test]
fn a_refusal_that_speaks_of_a_limit_is_no_refusal() {
    let url = "https://r.example/v2/a/manifests/1";
    for (text, expected) in [
        (
            format!(
                "{RESOLVE}unexpected status from GET request to {url}: 403 Forbidden\ntoomanyrequests: x"
            ),
            TooManyRequests,
        ),
        (
            format!(
                "{PULL}unexpected status code {url}: 403 Forbidden - Server message: denied: Quota exceeded for x"
            ),
            TooManyRequests,
        ),
        (
            "Error response from daemon: denied: you have reached the rate limit".to_owned(),
            TooManyRequests,
        ),
        (
            format!(
                "{RESOLVE}unexpected status from GET request to {url}: 403 Forbidden\ndenied: no"
            ),
            Denied,
        ),
    ] {
        check(&text, expected);
    }
}

#[test]
fn a_proxy_that_refuses_to_connect_is_not_the_registry() {
    for words in ["Forbidden", "Proxy Authentication Required", "Bad Gateway"] {
        check(&format!("{RESOLVE}{HEAD}{words}"), Unreachable);
        for url in ["https://r.example/v2/", "https://auth.example/token"] {
            check(
                &format!("Error response from daemon: Get \"{url}\": {words}"),
                Unreachable,
            );
        }
    }
    // Of the image itself it is the registry's answer.
    let head = "Error response from daemon: Head \"https://r.example/v2/a/manifests/1\"";
    check(&format!("{head}: Forbidden"), Denied);
    check(&format!("{head}: Service Unavailable"), RegistryUnavailable);
    check(&format!("{head}: a word nobody has heard"), Unreachable);
}

#[test]
fn a_status_is_found_behind_the_hosts_name() {
    for (status, expected) in [
        ("401 Unauthorized", Denied),
        ("403 Forbidden", Denied),
        ("404 Not Found", MissingContent),
        ("429 Too Many Requests", TooManyRequests),
        ("502 Bad Gateway", RegistryUnavailable),
    ] {
        for host in ["r.example", "503.example:5000"] {
            check(
                &format!(
                    "{RESOLVE}pulling from host {host} failed with status code [manifests 1]: {status}"
                ),
                expected,
            );
        }
        check(
            &format!(
                "Error response from daemon: login attempt to https://r.example/v2/ failed with status: {status}"
            ),
            expected,
        );
    }
}

#[test]
fn a_policy_of_harbor_refuses_unless_a_scan_is_pending() {
    let why =
        "cannot be pulled due to configured policy in 'Prevent images with severity of \"Low\"'.";
    for (text, expected) in [
        (
            format!("current image with 3 vulnerabilities {why}"),
            SignatureRefused,
        ),
        (
            format!("current image with \"\" vulnerable' {why}"),
            SignatureRefused,
        ),
        (
            format!("current image without vulnerability scanning {why}"),
            RegistryUnavailable,
        ),
        (
            format!("current image with \"Running\" status of vulnerability scanning {why}"),
            RegistryUnavailable,
        ),
        (
            "The image is not signed in Notary.".to_owned(),
            SignatureRefused,
        ),
    ] {
        check(
            &format!("Error response from daemon: unknown: {text}"),
            expected,
        );
        check(
            &format!(
                "{RESOLVE}pulling from host r.example failed with status code [manifests 1]: 412 Precondition Failed\nunknown: {text}"
            ),
            expected,
        );
    }
    check(
        &format!("{RESOLVE}PROJECT_POLICY_VIOLATION: \"Cannot get the image severity.\""),
        RegistryUnavailable,
    );
    check(
        &format!("{RESOLVE}PROJECT_POLICY_VIOLATION: \"something else\""),
        SignatureRefused,
    );
}
