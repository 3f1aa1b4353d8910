//! Frames around CRI-O's errors: artifacts, lists, blocked origins, short names, signatures that could not be read.

use pullwarden::judge::Cause::{self, *};

use crate::judge::causes::check;

const IMAGE: &str = "unable to pull image or OCI artifact: pull image err: parsing image configuration: \
                     unsupported image-specific operation on artifact with type \"application/vnd.x\"";
const FIRST: &str = "unable to try pulling possible OCI artifact: build image source: ";

#[test]
fn of_a_real_artifact_the_artifacts_error_decides() {
    for (inner, cause) in [
        (
            "writing blob: write /var/lib/containers/storage/artifacts/x: no space left on device",
            DiskFull,
        ),
        (
            "reading blob sha256:ab: fetching blob: received unexpected HTTP status: 503 Service Unavailable",
            RegistryUnavailable,
        ),
        (
            "reading blob sha256:ab: fetching blob: blob unknown to registry",
            MissingContent,
        ),
    ] {
        check(
            &format!("{IMAGE}; artifact err: pull artifact: {inner}"),
            cause,
        );
    }
    for (second, cause) in [
        (
            "image reference: get manifest from ref: create image source: reading manifest 1 in r.example/a: received unexpected HTTP status: 503 Service Unavailable",
            RegistryUnavailable,
        ),
        (
            "image reference: get manifest from ref: create image source: reading manifest 1 in r.example/a: toomanyrequests: slow down",
            TooManyRequests,
        ),
        (
            "image reference: get manifest from ref: unexpected EOF",
            ConnectionBroken,
        ),
        (
            "copy artifact: writing blob: write /var/lib/containers/storage/artifacts/x: no space left on device",
            DiskFull,
        ),
        (
            "image reference: get manifest from ref: create image source: reading manifest 1 in r.example/a: manifest unknown",
            UnsupportedManifest,
        ),
        (
            "image reference: reference is a container image, not an OCI artifact",
            UnsupportedManifest,
        ),
    ] {
        check(&format!("{IMAGE}; artifact err: {second}"), cause);
    }
    // Nothing is known of a second look.
    let alone = IMAGE.rsplit_once("err: ").unwrap().1;
    for text in [
        alone,
        &format!("unable to pull image: {alone}"),
        &format!(
            "unable to pull image: {}",
            alone.replace("image configuration", "manifest")
        ),
        IMAGE,
    ] {
        check(text, UnsupportedManifest);
    }
    // It was no artifact that could be had.
    check(
        &format!("{IMAGE}; artifact err: image reference: parse manifest: x"),
        UnsupportedManifest,
    );
}

#[test]
fn of_several_credentials_the_most_patient_answer_counts() {
    let reading = format!("{FIRST}reading manifest 1 in r.example/a");
    for (one, other, cause) in [
        ("toomanyrequests", "unauthorized", TooManyRequests),
        ("unauthorized", "toomanyrequests", TooManyRequests),
        ("unauthorized", "manifest unknown", Denied),
        ("manifest unknown", "unauthorized", Denied),
    ] {
        check(&format!("[{reading}: {one}, {reading}: {other}]"), cause);
    }
    let mirrored = |inner: &str| {
        format!(
            "initializing source docker://r.example/a:1: (Mirrors also failed: \
             [m.example/a:1: reading manifest 1 in m.example/a: manifest unknown]): r.example/a:1: \
             reading manifest 1 in r.example/a: {inner}"
        )
    };
    let down = mirrored("received unexpected HTTP status: 503 Service Unavailable");
    let refused = mirrored("unauthorized");
    check(&format!("[{down}, {refused}]"), RegistryUnavailable);
    check(&format!("[{refused}, {down}]"), RegistryUnavailable);
}

/// OpenShift's `NeverContactSource`: there is no origin to say more.
#[test]
fn of_a_blocked_origin_the_mirrors_decide() {
    let blocked = |mirrors: &[&str]| {
        let errors: Vec<String> = mirrors
            .iter()
            .map(|error| format!("m.example/a:1: {error}"))
            .collect();
        format!(
            "initializing source docker://quay.io/a:1: (Mirrors also failed: [{}]): quay.io/a:1: \
             registry quay.io is blocked in /etc/containers/registries.conf or /etc/containers/registries.conf.d",
            errors.join("]\n[")
        )
    };
    let refused = "pinging container registry m.example: Get \"https://m.example/v2/\": dial tcp 192.0.2.1:443: connect: connection refused";
    let missing = "reading manifest 1 in m.example/a: manifest unknown";
    check(&blocked(&[refused]), ConnectionRefused);
    check(&blocked(&[refused, missing]), ConnectionRefused);
    check(&blocked(&[missing, refused]), ConnectionRefused);
    check(&blocked(&[missing]), SignatureRefused);
}

#[test]
fn a_short_name_may_have_been_searched_for_though_the_text_names_no_image() {
    for text in [
        "unable to pull image or OCI artifact: pull image err: parsing image configuration: fetching blob: denied; artifact err: x",
        "unable to pull image: Source image rejected: A signature was required, but no signature exists",
        "parsing image configuration: fetching blob: denied",
        &format!("{FIRST}reading manifest 1 in docker.io/library/a: denied"),
    ] {
        let of = |image: &str| Cause::for_image("ErrImagePull", text, image);
        assert_eq!(of("a:1"), SearchFailed, "{text}");
        assert_ne!(of("r.example/a:1"), SearchFailed, "{text}");
    }
}

#[test]
fn a_signature_that_could_not_be_read_is_no_refusal() {
    for (inner, cause) in [
        (
            "Get \"https://s.example/signature-1\": Service Unavailable",
            Unreachable,
        ),
        (
            "Get \"https://s.example/signature-1\": Forbidden",
            Unreachable,
        ),
        (
            "parsing signature https://s.example/signature-1: unrecognized signature format, starting with binary 0x3c",
            RegistryUnavailable,
        ),
        (
            "parsing signature https://s.example/signature-1: unrecognized signature format, starting with binary 0xef",
            RegistryUnavailable,
        ),
        (
            "parsing signature https://s.example/signature-1: empty signature blob",
            RegistryUnavailable,
        ),
        (
            "parsing signature https://s.example/signature-1: unrecognized signature format, starting with binary 0x2d",
            SignatureRefused,
        ),
        (
            "unexpected MIME type for sigstore attachment manifest sha256-ab.sig: \"text/html\"",
            RegistryUnavailable,
        ),
        (
            "invalid character '<' looking for beginning of value",
            RegistryUnavailable,
        ),
        ("fetching blob: blob unknown to registry", MissingContent),
        (
            "A signature was required, but no signature exists",
            SignatureRefused,
        ),
        (
            "Running image docker://r.example/a:1 is rejected by policy.",
            SignatureRefused,
        ),
    ] {
        let text = format!("Source image rejected: {inner}");
        check(&text, cause);
        check(&format!("unable to pull image: {text}"), cause);
    }
}

#[test]
fn a_page_in_answer_to_the_ping_is_no_refusal() {
    let page = "pinging container registry r.example: StatusCode: 403, \"<html>\\n<head>...\"";
    check(&format!("{FIRST}{page}"), RegistryUnavailable);
    check(
        &format!("initializing source docker://r.example/a:1: {page}"),
        RegistryUnavailable,
    );
}

#[test]
fn a_partial_blob_is_a_blob() {
    let partial =
        "partial pull of blob sha256:ab: staging a partially-pulled layer: fetching partial blob";
    check(
        &format!("{partial}: unknown: artifact library/a@sha256:ab not found"),
        MissingContent,
    );
    check(
        &format!("{partial}: StatusCode: 403, \"<html>\""),
        RegistryUnavailable,
    );
}
