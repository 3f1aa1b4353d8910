//! Causes of errors as people reported them in public issue threads.

use pullwarden::judge::Cause::{self, *};

use crate::judge::causes::{PULL, RESOLVE, check};

/// A registry's words behind the status that it answers them with, as containerd and CRI-O show them.
fn check_refusal(words: &str, expected: Cause) {
    let url = "https://r.example/v2/a/manifests/1";
    check(
        &format!(
            "{RESOLVE}unexpected status from HEAD request to {url}: 403 Forbidden - Server message: {words}"
        ),
        expected,
    );
    check(
        &format!(
            "initializing source docker://r.example/a:1: reading manifest 1 in r.example/a: {words}"
        ),
        expected,
    );
}

#[test]
fn a_quota_is_no_refusal() {
    for words in [
        "denied: Quota has been exceeded on namespace",
        "denied: You have exceeded your pull traffic quota for the current month.",
    ] {
        check_refusal(words, TooManyRequests);
    }
    check_refusal("denied: Your plan has no quota", Denied);
}

#[test]
fn a_scanner_that_has_not_judged_is_no_refusal() {
    let xray =
        "denied: a:1 was not downloaded due to the download blocking policy configured in Xray";
    check_refusal(
        &format!("{xray} for docker-local. Xray is unavailable."),
        RegistryUnavailable,
    );
    check_refusal(&format!("{xray} for docker-local."), Denied);
    check(
        &format!(
            "{RESOLVE}unexpected status from HEAD request to https://r.example/v2/a/manifests/1: \
             412 Precondition Failed - Server message: unknown: Image is being scanned, please retry later"
        ),
        RegistryUnavailable,
    );
}

#[test]
fn a_digest_that_the_image_does_not_name_may_come_to_harbor_later() {
    let digest = "sha256:7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451";
    let words = format!("unknown: artifact hub/lib/a@{digest} not found");
    check(
        &format!("Error response from daemon: {words}"),
        MissingContent,
    );
    check(&format!("{PULL}failed to copy: {words}"), MissingContent);
    let named =
        format!("failed to pull and unpack image \"r.example/hub/lib/a@{digest}\": {words}");
    check(&named, ImageNotFound);
    check(
        "Error response from daemon: unknown: artifact hub/lib/a:1 not found",
        ImageNotFound,
    );
}

#[test]
fn rare_words_of_runtimes_have_a_cause() {
    let (layer, config) = ("sha256:3d914f9348c9cc0ff8a7", "sha256:73475cb40a568e8da8a0");
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let wrong = |got: &str| {
        format!(
            "{PULL}failed to unpack image on snapshotter overlayfs: wrong diff id \"{got}\" \
             calculated on extraction \"{config}\", desc \"{layer}\""
        )
    };
    check(&wrong(layer), DigestMismatch);
    check(&wrong(empty), RuntimeTrouble);
    for (text, expected) in [
        (
            "short-name resolution enforced but cannot prompt without a TTY",
            UnresolvedShortName,
        ),
        (
            "Error initializing source docker://r.example/a:1: unsupported docker v2s2 media type: \"\"",
            InvalidManifest,
        ),
        (
            "reference \"[overlay@/var/lib/containers/storage]r.example/a:1\" does not resolve to an image ID",
            RuntimeTrouble,
        ),
        (
            "failed to pull image \"r.example/a:1\": locking ref k8s.io/1/layer-sha256:8 failed: \
             ref k8s.io/1/layer-sha256:8 locked: unavailable",
            RuntimeTrouble,
        ),
        (
            "failed to pull image \"r.example/a:1\": failed to copy: ref layer-sha256:8 locked for 1m2s (since 1m2s ago): unavailable",
            RuntimeTrouble,
        ),
        (
            "unpack destination \"/run/image/layers/sha256_454a983f\" already exists",
            RuntimeTrouble,
        ),
    ] {
        check(text, expected);
    }
}
