//! Causes of what is wrong with an image's content, and with the node that stores it.

use pullwarden::judge::Cause::*;

use crate::causes::{PULL, check};

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
