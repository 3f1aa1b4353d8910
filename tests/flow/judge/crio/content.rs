//! Manifests, blobs and layers.

use pullwarden::judge::Cause::*;

use super::{DIGEST, FILE, HTML, OTHER, XML, blob, child, frames, storing, unpacking};

#[test]
fn a_child_manifest() {
    for inner in [
        "manifest unknown",
        "name unknown: repository name not known to registry",
        "repository name not known to registry",
    ] {
        child(inner, MissingContent);
    }
    let page = format!("StatusCode: 404, {HTML}");
    child(&page, RegistryUnavailable);
    child(
        "received unexpected HTTP status: 503 Service Unavailable",
        RegistryUnavailable,
    );
    child("requested access to the resource is denied", Denied);
    let by_digest = format!(
        "initializing source docker://r.example/a@{DIGEST}: reading manifest {DIGEST} in r.example/a: manifest unknown"
    );
    frames(&by_digest, ImageNotFound);
    for of in ["image index", "manifest list"] {
        let none = format!(
            "choosing an image from manifest list docker://r.example/a:1: no image found in {of} for architecture \"arm64\", variant \"v8\", OS \"linux\""
        );
        frames(&none, NoMatchingPlatform);
    }
}

#[test]
fn a_manifest_that_cannot_be_read() {
    let initializing = "initializing image from source docker://r.example/a:1: ";
    for (inner, expected) in [
        (
            "invalid character '<' looking for beginning of value",
            RegistryUnavailable,
        ),
        (
            "invalid character 'h' looking for beginning of value",
            InvalidManifest,
        ),
        ("unexpected end of JSON input", ConnectionBroken),
        // Not even a version: no manifest, so that something else has answered.
        ("unsupported schema version 0", RegistryUnavailable),
        ("unsupported schema version 3", UnsupportedManifest),
        (
            "rejecting ambiguous manifest, unexpected fields 4 in supposedly schema2",
            InvalidManifest,
        ),
        (
            "Unimplemented manifest MIME type \"application/vnd.x\"",
            UnsupportedManifest,
        ),
    ] {
        frames(&format!("{initializing}{inner}"), expected);
        frames(&format!("parsing manifest: {inner}"), expected);
    }
    frames(
        "copying system image from manifest list: Unexpectedly received a manifest list instead of a manifest for a single image",
        UnsupportedManifest,
    );
    for inner in [
        "invalid character 'n' looking for beginning of object key string",
        "json: cannot unmarshal number into Go struct field Image.architecture of type string",
    ] {
        frames(
            &format!("parsing image configuration: {inner}"),
            InvalidManifest,
        );
        frames(
            &format!(
                "committing the finished image: obtaining config of image to be committed: {inner}"
            ),
            InvalidManifest,
        );
    }
}

#[test]
fn a_blob() {
    for inner in [
        "fetching blob: blob unknown to registry",
        "fetching blob: manifest unknown",
        "fetching blob: name unknown: repository name not known to registry",
        "fetching blob: unknown: artifact library/a@sha256:ab not found",
    ] {
        blob(inner, MissingContent);
    }
    let page = format!("fetching blob: StatusCode: 404, {HTML}");
    for inner in [
        &page,
        &format!("fetching blob: StatusCode: 403, {XML}"),
        // The registry gave the manifest, so that its storage refuses.
        r#"fetching blob: StatusCode: 403, """#,
        r#"fetching blob: StatusCode: 403, "{\"message\":\"Forbidden\"}""#,
        "fetching blob: received unexpected HTTP status: 503 Service Unavailable",
        r#"fetching blob: Get "https://storage.example/b": stopped after 10 redirects"#,
        "failed fetching external blob from all urls: error fetching external blob from \"https://x.example/l\": received unexpected HTTP status: 503 Service Unavailable",
    ] {
        blob(inner, RegistryUnavailable);
    }
    blob("fetching blob: too many requests", TooManyRequests);
    for (inner, expected) in [
        ("happened during read: unexpected EOF", ConnectionBroken),
        (
            "happened during read: unexpected EOF (after reconnecting, fetching blob: StatusCode: 403, \"\")",
            ConnectionBroken,
        ),
        (
            "happened during read: (heuristic tuning data: total 5 @1.000 ms, last retry 0 @-1.000 ms, last progress @ 1.000 ms): read tcp 10.0.0.2:4->192.0.2.1:443: read: connection reset by peer",
            ConnectionBroken,
        ),
        (
            "happened during read: read tcp 10.0.0.2:4->192.0.2.1:443: read: connection timed out",
            Timeout,
        ),
        ("happened during read: context canceled", Cancelled),
        (
            &format!("happened during read: Digest did not match, expected {DIGEST}, got {OTHER}"),
            DigestMismatch,
        ),
        (&format!("write {FILE}: no space left on device"), DiskFull),
        (&format!("write {FILE}: disk quota exceeded"), DiskFull),
    ] {
        storing(inner, expected);
    }
    frames(
        &format!(
            "writing blob: layer 0 (blob \"{DIGEST}\"/\"\"/\"{OTHER}\") does not match config's DiffID \"{DIGEST}\""
        ),
        DigestMismatch,
    );
    frames(
        &format!("Download config.json digest {OTHER} does not match expected {DIGEST}"),
        DigestMismatch,
    );
}

#[test]
fn a_layer_that_cannot_be_unpacked() {
    unpacking("archive/tar: invalid tar header", InvalidLayer);
    unpacking("gzip: invalid header", InvalidLayer);
    unpacking("write /opt/model.bin: no space left on device", DiskFull);
    unpacking("open /usr/bin/x: read-only file system", ReadOnlyStore);
    unpacking("lchown /home: operation not permitted", RuntimeTrouble);
    // What came was whole: it is damaged on the node.
    unpacking("unexpected EOF", RuntimeTrouble);
    unpacking("read /x: input/output error", RuntimeTrouble);
    frames(
        "writing blob: adding layer with blob \"sha256:1\": creating read-only layer with ID \"1\": Stat /var/lib/containers/storage/overlay/1: no such file or directory",
        RuntimeTrouble,
    );
    frames(
        "decrypting layer sha256:1: missing private key needed for decryption:\n",
        RuntimeTrouble,
    );
    frames(
        "decrypting layer sha256:1: no suitable key unwrapper found or none of the private keys could be used for decryption:\nx",
        RuntimeTrouble,
    );
}
