//! Causes of texts of runtimes other than containerd.

use pullwarden::judge::Cause::*;

use crate::judge::causes::check;

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
fn what_docker_says() {
    for (text, expected) in [
        ("manifest for r.example/a:1 not found", ImageNotFound),
        (
            "manifest for r.example/a:1 not found: manifest unknown: manifest unknown",
            ImageNotFound,
        ),
        ("manifest unknown", ImageNotFound),
        ("unknown: manifest unknown", ImageNotFound),
        ("unknown: artifact lib/a:1 not found", ImageNotFound),
        ("unknown: repository lib/a not found", ImageNotFound),
        ("Tag 1 not found in repository r.example/a", ImageNotFound),
        ("Error: image lib/a:1 not found", Denied),
        (
            "repository a not found: does not exist or no pull access",
            Denied,
        ),
        (
            "pull access denied for a, repository does not exist or may require 'docker login': denied: no",
            Denied,
        ),
        (
            "Get https://r.example/v2/a/manifests/1: no basic auth credentials",
            Denied,
        ),
        ("unknown: Forbidden", Denied),
        ("unknown: a word nobody has heard", Unrecognised),
        ("Status 403 trying to pull repository lib/a: \"x\"", Denied),
        (
            "no matching manifest for linux/arm64/v8 in the manifest list entries",
            NoMatchingPlatform,
        ),
        (
            "image operating system \"windows\" cannot be used on this platform",
            NoMatchingPlatform,
        ),
        (
            "application/vnd.docker.distribution.manifest.v1+prettyjws not supported",
            UnsupportedManifest,
        ),
        (
            "Encountered remote \"application/vnd.x\"(unknown) when fetching",
            UnsupportedManifest,
        ),
        (
            "Get \"https://r.example/v2/\": dial tcp: lookup r.example: no such host",
            HostNotFound,
        ),
        (
            "received unexpected HTTP status: 500 Internal Server Error",
            RegistryUnavailable,
        ),
        (
            "failed to register layer: rename /var/lib/docker/a /var/lib/docker/b: file exists",
            RuntimeTrouble,
        ),
        (
            "failed to register layer: Error processing tar file(exit status 1): archive/tar: invalid tar header",
            RuntimeTrouble,
        ),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            RuntimeUnreachable,
        ),
    ] {
        check(text, expected);
        check(&format!("Error response from daemon: {text}"), expected);
        let json = text.replace('"', "\\\"");
        let json = format!(
            "rpc error: code = 2 desc = Error response from daemon: {{\"message\":\"{json}\"}}"
        );
        check(&json, expected);
    }
}

#[test]
fn what_old_dockers_and_kubelets_say() {
    let frame = "image pull failed for r.example/a, this may be because there are no credentials on this request.  details: ";
    for (text, expected) in [
        ("Error: image lib/a:latest not found", Denied),
        (
            "Error pulling image (1) from lib/a, Untar re-exec error: exit status 1: output: write /a: no space left on device",
            DiskFull,
        ),
        (
            "Error pulling image (1) from lib/a, Driver overlay failed to create image rootfs 0: directory not empty",
            RuntimeTrouble,
        ),
    ] {
        check(text, expected);
        check(&format!("{frame}({text})"), expected);
    }
    check("rpc error: code = 14 desc = x", RuntimeUnreachable);
    check("rpc error: code = 4 desc = x", Timeout);
    check(
        "Network timed out while trying to connect to https://r.example/v1/. You may want to check x",
        Timeout,
    );
}

#[test]
fn of_a_list_of_causes_the_most_patient_counts() {
    let list = |codes: &[&str]| {
        format!(
            "reading manifest 1 in r.example/a: errors:\n{}\n",
            codes.join("\n")
        )
    };
    for (codes, expected) in [
        (&["unknown: manifest unknown"][..], ImageNotFound),
        (&["manifest unknown: x", "name unknown: x"], ImageNotFound),
        (&["manifest unknown: x", "denied: x"], Denied),
        (&["denied: x", "toomanyrequests: x"], TooManyRequests),
        (&["toomanyrequests: x", "denied: x"], TooManyRequests),
        // A message is the registry's own.
        (&["denied: manifest unknown: toomanyrequests"], Denied),
        (&["unknown: x", "denied: x"], Unrecognised),
    ] {
        check(&list(codes), expected);
        check(
            &format!("Error response from daemon: {}", list(codes)),
            expected,
        );
    }
}

#[test]
fn a_manifest_that_only_an_index_names_is_a_part() {
    let unknown = "in r.example/a: manifest unknown";
    for (text, expected) in [
        (
            format!("copying system image from manifest list: reading manifest sha256:0 {unknown}"),
            MissingContent,
        ),
        (
            format!(
                "initializing source docker://r.example/a:1: reading manifest sha256:0 {unknown}"
            ),
            MissingContent,
        ),
        (
            format!(
                "determining manifest MIME type for docker://r.example/a@sha256:1: reading manifest sha256:0 {unknown}"
            ),
            MissingContent,
        ),
        (
            format!(
                "initializing source docker://r.example/a@sha256:0: reading manifest sha256:0 {unknown}"
            ),
            ImageNotFound,
        ),
        (
            format!(
                "initializing source docker://r.example/a:sha256: reading manifest sha256 {unknown}"
            ),
            ImageNotFound,
        ),
        (
            format!("Error reading manifest sha256:0 {unknown}"),
            ImageNotFound,
        ),
    ] {
        check(&text, expected);
    }
}
