//! Causes of texts of runtimes other than containerd.

use pullwarden::judge::Cause::*;

use crate::causes::check;

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
