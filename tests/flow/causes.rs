//! From what the kubelet shows to a cause: the table, the structure of the texts, and the names that must not mislead.

use pullwarden::judge::Cause::{self, *};
use pullwarden::judge::Class;

#[track_caller]
fn check(message: &str, expected: Cause) {
    assert_eq!(Cause::of("ErrImagePull", message), expected, "{message}");
    // The pause of kubelets from 1.32 on says the same.
    let pause = format!("Back-off pulling image \"r/a:1\": ErrImagePull: {message}");
    assert_eq!(Cause::of("ImagePullBackOff", &pause), expected, "{pause}");
}

const PULL: &str = r#"failed to pull and unpack image "r.example/a:1": "#;
const RESOLVE: &str = r#"failed to pull and unpack image "r.example/a:1": failed to resolve reference "r.example/a:1": "#;
const TRANSFER: &str =
    r#"failed to pull and unpack image "r.example/a:1": failed to resolve image: "#;
const HEAD: &str = r#"failed to do request: Head "https://r.example/v2/a/manifests/1": "#;

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

#[test]
fn content_and_manifests() {
    for (text, expected) in [
        (
            r#"failed commit on ref "layer-sha256:0": unexpected commit digest sha256:1, expected sha256:0: failed precondition"#,
            DigestMismatch,
        ),
        (
            r#"failed commit on ref "layer-sha256:0": unexpected commit size 10, expected 20: failed precondition"#,
            DigestMismatch,
        ),
        (
            "failed to extract layer sha256:0: failed to get stream processor for application/vnd.oci.image.layer.v1.tar: gzip: invalid header",
            InvalidLayer,
        ),
        (
            "failed to extract layer sha256:0: mount callback failed on /tmp/x: archive/tar: invalid tar header",
            InvalidLayer,
        ),
        (
            "failed to extract layer sha256:0: mount callback failed on /tmp/x: write /tmp/x/a: no space left on device: unknown",
            DiskFull,
        ),
        (
            r#"failed to copy: failed to send write: write /var/lib/x: no space left on device: unknown"#,
            DiskFull,
        ),
        (
            r#"failed to prepare extraction snapshot "x": mkdir /var/lib/x: read-only file system"#,
            ReadOnlyStore,
        ),
        (
            r#"failed to prepare extraction snapshot "x": some words"#,
            RuntimeTrouble,
        ),
        (
            "failed to copy: httpReadSeeker: failed open: unexpected EOF",
            ConnectionBroken,
        ),
        (
            "Pulling Schema 1 images have been deprecated and disabled by default since containerd v2.0.",
            UnsupportedManifest,
        ),
        (
            "schema 1 image manifests are no longer supported: invalid argument",
            UnsupportedManifest,
        ),
        (
            r#"media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported"#,
            UnsupportedManifest,
        ),
        (
            "invalid character 'g' looking for beginning of value",
            InvalidManifest,
        ),
        (
            "image verifier v blocked pull of r.example/a:1 with digest sha256:0 for reason: no",
            SignatureRefused,
        ),
        ("context canceled", Cancelled),
    ] {
        check(&format!("{PULL}{text}"), expected);
    }
}

#[test]
fn what_cri_o_says() {
    for (text, expected) in [
        (
            "initializing source docker://r.example/a:1: reading manifest 1 in r.example/a: manifest unknown",
            ImageNotFound,
        ),
        (
            "initializing source docker://r.example/a:1: reading manifest 1 in r.example/a: name unknown: repository name not known to registry",
            ImageNotFound,
        ),
        (
            "reading manifest 1 in r.example/a: errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n",
            Denied,
        ),
        (
            "initializing source docker://r.example/a:1: reading manifest 1 in r.example/a: unauthorized: authentication required",
            Denied,
        ),
        (
            "initializing source docker://r.example/a:1: reading manifest 1 in r.example/a: toomanyrequests: You have reached your pull rate limit.",
            TooManyRequests,
        ),
        (
            "initializing source docker://r.example/a:1: unable to retrieve auth token: invalid username/password: unauthorized: incorrect username or password",
            BadCredentials,
        ),
        (
            "initializing source docker://r.example/a:1: too many requests to registry",
            TooManyRequests,
        ),
        (
            r#"initializing source docker://r.example/a:1: pinging container registry r.example: Get "https://r.example/v2/": dial tcp: lookup r.example: no such host"#,
            HostNotFound,
        ),
        (
            "initializing source docker://r.example/a:1: pinging container registry r.example: StatusCode: 404, <html>",
            RegistryUnavailable,
        ),
        (
            r#"choosing image instance: no image found in image index for architecture "arm64", variant "v8", OS "linux""#,
            NoMatchingPlatform,
        ),
        (
            "unable to pull image or OCI artifact: pull image err: initializing source docker://r.example/a:1: reading manifest 1 in r.example/a: manifest unknown; artifact err: get manifest: dial tcp: x",
            ImageNotFound,
        ),
        (
            "SignatureValidationFailed: Source image rejected: A signature was required, but no signature exists",
            SignatureRefused,
        ),
        (
            "writing blob: storing blob to file \"/var/tmp/1\": write /var/tmp/1: no space left on device",
            DiskFull,
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn of_several_credentials_the_most_patient_answer_counts() {
    let denied = format!(
        "{TRANSFER}unexpected status from HEAD request to https://r.example/v2/a/manifests/1: 403 Forbidden"
    );
    let missing = format!("rpc error: code = NotFound desc = {TRANSFER}r.example/a:1: not found");
    let down = format!("{TRANSFER}{HEAD}dial tcp: lookup r.example: no such host");
    check(&format!("[{missing}, {denied}]"), Denied);
    check(&format!("[{denied}, {missing}]"), Denied);
    check(&format!("[{missing}, {down}]"), HostNotFound);
    check(&format!("[{missing}, {missing}]"), ImageNotFound);
    check(
        &format!("[{missing}, rpc error: code = Unknown desc = something new]"),
        Unrecognised,
    );
}

#[test]
fn reasons_that_say_it_all() {
    assert_eq!(Cause::of("InvalidImageName", ""), InvalidImageName);
    assert_eq!(
        Cause::of("ImageInspectError", r#"Failed to inspect image "": x"#),
        ImageInspect
    );
    assert_eq!(Cause::of("RegistryUnavailable", "x"), RegistryUnavailable);
    assert_eq!(
        Cause::of("SignatureValidationFailed", "x"),
        SignatureRefused
    );
    let never = |rest: &str| {
        Cause::of(
            "ErrImageNeverPull",
            &format!(r#"Container image "r/a:1" is {rest}"#),
        )
    };
    assert_eq!(never("not present with pull policy of Never"), NeverPull);
    assert_eq!(
        never("present with pull policy of Never but does not have the proper credentials"),
        Denied
    );
    assert_eq!(Cause::of("ErrImageNeverPull", ""), NeverPull);
    // Before 1.32 the pause does not tell why.
    assert_eq!(
        Cause::of("ImagePullBackOff", r#"Back-off pulling image "r/a:1""#),
        Unrecognised
    );
    // With the kubelet's credential checks the reason is the error.
    assert_eq!(
        Cause::of("failed to look up pull records", ""),
        Unrecognised
    );
}

#[test]
fn the_kubelet_and_the_runtime() {
    check("pull QPS exceeded", PullQpsExceeded);
    check("rpc error: code = Canceled desc = whatever", Cancelled);
    check(
        r#"rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused""#,
        RuntimeUnreachable,
    );
    check(
        "rpc error: code = Unavailable desc = error reading from server: EOF",
        RuntimeUnreachable,
    );
    check(
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        Timeout,
    );
}

#[test]
fn names_chosen_by_others_do_not_mislead() {
    let hostile = [
        "timeout/not-found:429",
        "denied.example/unauthorized:x509",
        "json.example/no-space-left-on-device:1",
        "503.example/429/dial:404",
        "http2/eof:EOF",
    ];
    for name in hostile {
        let pull =
            format!(r#"failed to pull and unpack image "{name}": failed to resolve image: "#);
        let url = format!("https://{name}/manifests/429");
        check(
            &format!("rpc error: code = NotFound desc = {pull}{name}: not found"),
            ImageNotFound,
        );
        check(
            &format!("{pull}unexpected status from HEAD request to {url}: 403 Forbidden"),
            Denied,
        );
        check(
            &format!("{pull}unexpected status from HEAD request to {url}: 503 Service Unavailable"),
            RegistryUnavailable,
        );
        check(
            &format!(r#"{pull}failed to do request: Head "{url}": EOF"#),
            ConnectionBroken,
        );
        check(
            &format!(
                "initializing source docker://{name}: reading manifest 1 in {name}: manifest unknown"
            ),
            ImageNotFound,
        );
    }
    check(
        r#"failed to do something with "failed to resolve image: a: not found""#,
        Unrecognised,
    );
    // What a registry's own text says is not asked.
    check(
        &format!(
            "{TRANSFER}pull access denied, repository does not exist or may require authorization: server message: failed to resolve image: a: not found"
        ),
        Denied,
    );
    check(
        "something new\nfailed to resolve image: a: not found",
        Unrecognised,
    );
}

#[test]
fn each_cause_has_the_class_that_the_design_gives_it() {
    let classes: [(Class, &[Cause]); 6] = [
        (
            Class::Permanent,
            &[
                ImageNotFound,
                InvalidImageName,
                NeverPull,
                NoMatchingPlatform,
                UnsupportedManifest,
            ],
        ),
        (Class::Denied, &[Denied, BadCredentials, SignatureRefused]),
        (
            Class::Corrupt,
            &[DigestMismatch, InvalidManifest, InvalidLayer],
        ),
        (
            Class::Transient,
            &[
                MissingContent,
                HostNotFound,
                ConnectionRefused,
                ConnectionBroken,
                Unreachable,
                Timeout,
                TlsFailure,
                TooManyRequests,
                RegistryUnavailable,
                PullQpsExceeded,
                Cancelled,
            ],
        ),
        (
            Class::Node,
            &[
                DiskFull,
                ReadOnlyStore,
                RuntimeTrouble,
                RuntimeUnreachable,
                ImageInspect,
            ],
        ),
        (Class::Unknown, &[Unrecognised]),
    ];
    for (class, causes) in classes {
        for cause in causes {
            assert_eq!(cause.class(), class, "{cause}");
        }
    }
    let listed: usize = classes.iter().map(|(_, causes)| causes.len()).sum();
    assert_eq!(listed, Cause::ALL.len());
    let uncounted: Vec<Cause> = Cause::ALL
        .into_iter()
        .filter(|cause| !cause.counts())
        .collect();
    assert_eq!(uncounted, [PullQpsExceeded, Cancelled, RuntimeUnreachable]);
}
