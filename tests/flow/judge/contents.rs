//! Causes of what is wrong with an image's content, and with the node that stores it.

use pullwarden::judge::Cause::{self, *};

use crate::judge::causes::{PULL, check};

#[test]
fn content_and_manifests() {
    for (text, expected) in [
        (
            r#"failed commit on ref "layer-sha256:0": unexpected commit digest sha256:1, expected sha256:0: failed precondition"#,
            DigestMismatch,
        ),
        (
            r#"failed commit on ref "layer-sha256:0": unexpected commit size 10, expected 20: failed precondition"#,
            ConnectionBroken,
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
fn a_verifier_refuses_only_where_it_has_judged() {
    let image = "r.example/a:1 with digest sha256:0";
    let blocking = format!("{PULL}blocking pull of {image}: image verifier bindir");
    for error in [
        "failed to call verifier cosign (runtime 10.001s): waiting on command to exit: signal: killed",
        "failed to call verifier cosign (runtime 1ms): fork/exec /opt/cosign: permission denied",
        "failed to read dir contents: open /opt/image-verifier/bin: input/output error",
        "something that nobody has heard",
    ] {
        check(
            &format!("{blocking} returned error: {error}"),
            RuntimeTrouble,
        );
    }
    let blocked = format!("{PULL}image verifier bindir blocked pull of {image} for reason");
    check(&format!("{blocked}: no"), SignatureRefused);
    check(
        &format!("{blocked} verifier cosign rejected image (exit code 1): no"),
        SignatureRefused,
    );
    for code in [126, 127] {
        check(
            &format!("{blocked} verifier cosign rejected image (exit code {code}): "),
            RuntimeTrouble,
        );
    }
}

#[test]
fn a_pull_secret_that_cannot_be_read_says_nothing_of_the_image() {
    for text in [
        "json: cannot unmarshal string into Go struct field DockerConfigJSON.auths of type credentialprovider.DockerConfig",
        "invalid character 'e' looking for beginning of value",
    ] {
        assert_eq!(Cause::of(text, text), Unrecognised);
    }
}

#[test]
fn of_several_credentials_a_store_in_trouble_decides() {
    for store in [
        "failed to create image reference \"sha256:ab\": database not open",
        "failed to update image store \"r.example/a:1\": timeout",
    ] {
        let text = format!("[{PULL}unexpected status: 401 Unauthorized, {store}]");
        check(&text, RuntimeTrouble);
    }
}

#[test]
fn a_failed_signature_is_a_refusal_unless_the_text_says_more() {
    let of = |message: &str| Cause::of("SignatureValidationFailed", message);
    let rejected = "Source image rejected";
    assert_eq!(of(rejected), SignatureRefused);
    assert_eq!(of("a word nobody has heard"), SignatureRefused);
    assert_eq!(
        of(&format!(
            "{rejected}: Get \"https://s.example/sig\": dial tcp 10.0.0.1:443: i/o timeout"
        )),
        Timeout
    );
}

/// The digest of no bytes at all.
const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_digest_that_differs_is_damage_unless_nothing_came() {
    let commit = format!("{PULL}failed commit on ref \"layer-sha256:0\": unexpected commit digest");
    let cri_o = "reading blob sha256:0: happened during read: Digest did not match, expected";
    let extract =
        format!("{PULL}failed to extract layer sha256:0: wrong diff id calculated on extraction");
    for (digest, expected) in [("sha256:1", DigestMismatch), (EMPTY, RuntimeTrouble)] {
        check(
            &format!("{commit} {digest}, expected sha256:0: failed precondition"),
            expected,
        );
        check(&format!("{cri_o} sha256:0, got {digest}"), expected);
        check(&format!("{extract} \"{digest}\": unknown"), expected);
        check(
            &format!("{extract} \"{digest}\", desc \"sha256:0\""),
            expected,
        );
    }
    // What was expected says nothing of what came.
    check(
        &format!("{commit} sha256:1, expected {EMPTY}: failed precondition"),
        DigestMismatch,
    );
}

#[test]
fn a_size_that_differs_is_a_broken_transfer() {
    let reference = r#"failed commit on ref "layer-sha256:0""#;
    for (got, expected) in [
        ("20", ConnectionBroken),
        ("5", ConnectionBroken),
        ("0", RuntimeTrouble),
    ] {
        check(
            &format!("{PULL}{reference}: unexpected commit size {got}, expected 10: unknown"),
            expected,
        );
        check(
            &format!(
                r#"{PULL}{reference}: "layer-sha256:0" failed size validation: {got} != 10: failed precondition"#
            ),
            expected,
        );
    }
}

#[test]
fn a_mismatch_without_its_values_says_nothing() {
    for text in [
        "unexpected commit digest sha256:1",
        "unexpected commit digest ",
        "unexpected commit size 20",
        "unexpected commit size many, expected few",
        "failed size validation",
        "Digest did not match, expected sha256:0",
    ] {
        check(
            &format!("{PULL}failed commit on ref \"layer\": {text}"),
            Unrecognised,
        );
    }
}

#[test]
fn trouble_of_the_store() {
    for (text, expected) in [
        (
            "failed to extract layer sha256:0: failed to commit snapshot extract-1: failed to stat active key usage: x",
            RuntimeTrouble,
        ),
        ("failed to commit snapshot extract-1: x", RuntimeTrouble),
        (
            "unable to prepare extraction snapshot: target snapshot \"sha256:0\": already exists",
            RuntimeTrouble,
        ),
        (
            "failed to copy: failed to open writer: ref layer-sha256:0 locked for 1m0s (since 2026-01-01): unavailable",
            RuntimeTrouble,
        ),
        (
            "failed to copy: failed to send write: error reading from server: EOF: unavailable",
            RuntimeTrouble,
        ),
        (
            "failed commit on ref \"layer-sha256:0\": a word nobody has heard",
            RuntimeTrouble,
        ),
        ("content digest sha256:0: not found", RuntimeTrouble),
        (
            "failed to copy: write /var/lib/x: no space left on device: unavailable",
            DiskFull,
        ),
        (
            "failed to copy: failed to write (/var/lib/x: no space left on device)",
            DiskFull,
        ),
        (
            "failed to copy: sync /var/lib/x: input/output error: unavailable",
            RuntimeTrouble,
        ),
        (
            "chmod /var/lib/x: a word nobody has heard: unavailable",
            RuntimeTrouble,
        ),
        ("open C:\\ProgramData\\x: Access is denied.", RuntimeTrouble),
        // Not every call that begins so is one on a file.
        ("read tcp 10.0.0.2:1->10.0.0.1:443: x", Unrecognised),
    ] {
        check(&format!("{PULL}{text}"), expected);
        check(
            &format!("rpc error: code = Unavailable desc = {PULL}{text}"),
            expected,
        );
    }
    check(
        "writing blob: adding layer with blob \"sha256:0\": ApplyLayer exit status 1 stdout:  stderr: lchown /etc/x: invalid argument",
        RuntimeTrouble,
    );
    check(
        "invalid policy in \"/etc/containers/policy.json\": json: unknown field",
        RuntimeTrouble,
    );
}

#[test]
fn a_layer_that_no_runtime_takes_and_one_that_was_damaged() {
    let kind = "application/vnd.oci.image.layer.v1.tar";
    for (text, expected) in [
        (
            format!(
                "failed to get stream processor for {kind}+zstd: no processor for media-type: unknown"
            ),
            UnsupportedManifest,
        ),
        // Another node may have the decoder.
        (
            format!(
                "failed to get stream processor for {kind}+gzip+encrypted: no processor for media-type: unknown"
            ),
            RuntimeTrouble,
        ),
        (
            "archive/tar: invalid tar header: unknown".to_owned(),
            InvalidLayer,
        ),
        // The layer's digest was right when it came: it has lost its end, or a bit, since.
        ("unexpected EOF: unknown".to_owned(), RuntimeTrouble),
        ("gzip: invalid checksum".to_owned(), RuntimeTrouble),
        (
            "flate: corrupt input before offset 7".to_owned(),
            RuntimeTrouble,
        ),
    ] {
        check(
            &format!("{PULL}failed to extract layer sha256:0: {text}"),
            expected,
        );
    }
    check(
        "failed to unpack image on snapshotter overlayfs: mismatched image rootfs and manifest layers",
        InvalidLayer,
    );
    check(
        "failed to unpack image on snapshotter overlayfs: a word nobody has heard",
        RuntimeTrouble,
    );
}

#[test]
fn a_manifest_that_was_lost_is_not_an_invalid_one() {
    for (text, expected) in [
        ("unexpected end of JSON input", ConnectionBroken),
        (
            r"invalid character '\x00' looking for beginning of value",
            RuntimeTrouble,
        ),
        (
            "invalid character '<' looking for beginning of value",
            RegistryUnavailable,
        ),
        (
            "invalid character 'h' in literal true (expecting 'r')",
            InvalidManifest,
        ),
    ] {
        check(&format!("{PULL}{text}"), expected);
    }
}
