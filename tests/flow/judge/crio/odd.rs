//! Answers of CRI-O to odd documents, and to faults of the node's own files. They were seen on CRI-O 1.36.3, but for
//! the status of an image that is not scanned, the digest in a header (containerd), and a key of another certificate.

use pullwarden::judge::Cause::*;

use crate::judge::causes::check;

const FRAME: &str = "unable to pull image or OCI artifact: pull image err: ";
const CHILD: &str = "copying system image from manifest list: determining manifest MIME type for \
                     docker://r.example/a:1: ";

#[test]
fn an_image_that_is_not_scanned_yet_is_not_denied() {
    for inner in [
        "denied: current image without vulnerability scanning cannot be pulled due to configured policy",
        "unexpected status code 403: current image without vulnerability scanning cannot be pulled due to configured policy",
    ] {
        check(
            &format!(
                "{FRAME}initializing source docker://r.example/a:1: reading manifest 1 in r.example/a: {inner}"
            ),
            RegistryUnavailable,
        );
    }
}

#[test]
fn a_success_that_is_not_expected_is_the_registrys_fault() {
    for status in ["204 No Content", "206 Partial Content"] {
        check(
            &format!(
                "{FRAME}initializing source docker://r.example/a:1: reading manifest 1 in r.example/a: \
                 received unexpected HTTP status: {status}"
            ),
            RegistryUnavailable,
        );
    }
}

#[test]
fn a_document_in_place_of_a_manifest_is_the_registrys_fault() {
    for inner in [
        "parsing image configuration: unsupported image-specific operation on artifact with type \"\"",
        "initializing image from source docker://r.example/a:1: unsupported schema version 2",
        "initializing source docker://r.example/a:1: parse \"::not a url\": missing protocol scheme",
    ] {
        check(&format!("{FRAME}{inner}"), RegistryUnavailable);
    }
    let digest = "sha256:".to_owned() + &"ab".repeat(32);
    check(
        &format!("{FRAME}{CHILD}Manifest does not match provided manifest digest {digest}"),
        RegistryUnavailable,
    );
    check(
        "failed to resolve image: \"nonsense\" in header not a valid digest: invalid checksum digest format",
        RegistryUnavailable,
    );
}

#[test]
fn an_empty_signature_is_no_refusal() {
    check(
        &format!(
            "{FRAME}Source image rejected: parsing manifest r.example/a:sha256-12.sig: unexpected end of JSON input"
        ),
        ConnectionBroken,
    );
}

#[test]
fn a_manifest_that_says_nonsense_is_invalid() {
    for inner in [
        "parsing image configuration: invalid checksum digest format",
        &format!("{CHILD}invalid checksum digest format"),
        "initializing image from source docker://r.example/a:1: no FSLayers in manifest",
    ] {
        check(&format!("{FRAME}{inner}"), InvalidManifest);
    }
    check(
        &format!("{FRAME}writing blob: blob size mismatch"),
        ConnectionBroken,
    );
}

#[test]
fn a_list_that_is_too_long_to_read_could_say_anything() {
    let list = |count: usize| {
        format!(
            "failed to resolve image: errors:\n{}",
            "manifest unknown\n".repeat(count)
        )
    };
    check(&list(32), ImageNotFound);
    check(&list(33), Unrecognised);
}

#[test]
fn a_project_that_is_not_there_has_no_image() {
    check(
        &format!(
            "{FRAME}initializing source docker://r.example/a/b:1: reading manifest 1 in r.example/a/b: \
             unknown: project a not found"
        ),
        ImageNotFound,
    );
}

#[test]
fn the_nodes_own_files_are_the_nodes() {
    for inner in [
        "initializing source docker://r.example/a:1: Error parsing signature storage configuration: \"docker\" \
         namespace \"r.example\" defined both in \"/etc/containers/registries.d/b.yaml\" and \
         \"/etc/containers/registries.d/a.yaml\"",
        "initializing source docker://r.example/a:1: tls: failed to find any PEM data in certificate input",
        "initializing source docker://r.example/a:1: tls: private key does not match public key",
        "initializing source docker://r.example/a:1: faccessat /etc/containers/certs.d/r.example: too many levels \
         of symbolic links",
        "trying to reuse blob sha256:ab at destination: looking for layers with digest \"sha256:ab\": loading \
         \"/var/lib/containers/storage/overlay-layers/layers.json\": []*storage.Layer: decode slice: expect [ or \
         n, but found {",
    ] {
        check(&format!("{FRAME}{inner}"), RuntimeTrouble);
    }
}
