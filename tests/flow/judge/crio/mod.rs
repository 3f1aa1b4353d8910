//! Causes of CRI-O's texts: each step of a pull, with what a registry, a network or a node can do to it.
//!
//! The texts are built as containers/image and CRI-O build them, and each is read in three frames:
//! alone, with the attempt as an artifact behind it, and with a mirror's failure before it.

mod answers;
mod around;
mod content;
mod node;
mod odd;

use pullwarden::judge::Cause;

use crate::judge::causes;

const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const OTHER: &str = "sha256:60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752";
const HTML: &str = r#""<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>Mai...""#;
const XML: &str = r#""<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Co...""#;
const FILE: &str = "/var/tmp/container_images_storage2866776745/1";

/// Checks an error of a step before anything else is read, in all frames.
#[track_caller]
fn source(inner: &str, expected: Cause) {
    let first = "unable to try pulling possible OCI artifact: build image source";
    causes::check(&format!("{first}: {inner}"), expected);
    frames(
        &format!("initializing source docker://r.example/a:1: {inner}"),
        expected,
    );
    for mirror in [
        "reading manifest 1 in mirror.example/a: manifest unknown",
        "reading manifest 1 in mirror.example/a: requested access to the resource is denied",
        "pinging container registry mirror.example: Get \"https://mirror.example/v2/\": dial tcp: lookup mirror.example: no such host",
    ] {
        let failed = format!("[mirror.example/a:1: {mirror}]");
        for failed in [
            failed.clone(),
            format!("{failed}\n[other.example/a:1: {mirror}]"),
        ] {
            let text = format!(
                "initializing source docker://r.example/a:1: (Mirrors also failed: {failed}): r.example/a:1: {inner}"
            );
            frames(&text, expected);
        }
    }
}

/// Checks an error of a whole pull.
#[track_caller]
fn frames(text: &str, expected: Cause) {
    causes::check(text, expected);
    let artifact = "initializing source docker://r.example/a:1: pinging container registry r.example: StatusCode: 502, \"\"";
    for wrapped in [
        format!("unable to pull image: {text}"),
        format!(
            "unable to pull image or OCI artifact: pull image err: {text}; artifact err: {text}"
        ),
        format!(
            "unable to pull image or OCI artifact: pull image err: {text}; artifact err: {artifact}"
        ),
        format!(
            "unable to pull image or OCI artifact: pull image err: {text}; artifact err: provided artifact is a container image"
        ),
    ] {
        causes::check(&wrapped, expected);
    }
}

#[track_caller]
fn manifest(inner: &str, expected: Cause) {
    source(
        &format!("reading manifest 1 in r.example/a: {inner}"),
        expected,
    );
}

#[track_caller]
fn child(inner: &str, expected: Cause) {
    frames(
        &format!(
            "copying system image from manifest list: determining manifest MIME type for docker://r.example/a:1: reading manifest {DIGEST} in r.example/a: {inner}"
        ),
        expected,
    );
}

#[track_caller]
fn blob(inner: &str, expected: Cause) {
    frames(&format!("reading blob {DIGEST}: {inner}"), expected);
    frames(
        &format!("copying system image from manifest list: reading blob {DIGEST}: {inner}"),
        expected,
    );
    frames(
        &format!("initializing image from source docker://r.example/a:1: {inner}"),
        expected,
    );
}

#[track_caller]
fn storing(inner: &str, expected: Cause) {
    frames(
        &format!("writing blob: storing blob to file \"{FILE}\": {inner}"),
        expected,
    );
}

#[track_caller]
fn unpacking(output: &str, expected: Cause) {
    let layer = format!("\"{DIGEST}\"/\"\"/\"{OTHER}\"");
    for text in [
        format!(
            "writing blob: adding layer with blob {layer}: unpacking failed (error: exit status 1; output: {output})"
        ),
        format!(
            "writing blob: adding layer with blob {layer}: unpacking failed (error: exit status 1; output: {output})\nexhausting input failed (error: unexpected EOF)"
        ),
        format!(
            "writing blob: adding layer with blob \"{DIGEST}\": processing tar file({output}): exit status 1"
        ),
        format!(
            "copying system image from manifest list: writing blob: adding layer with blob \"{DIGEST}\": Error processing tar file(exit status 1): {output}"
        ),
    ] {
        frames(&text, expected);
    }
}

#[track_caller]
fn signature(inner: &str, expected: Cause) {
    let text = format!("Source image rejected: {inner}");
    frames(&text, expected);
    frames(
        &format!("copying system image from manifest list: {text}"),
        expected,
    );
    let reason = format!("SignatureValidationFailed: {text}");
    assert_eq!(
        Cause::of("SignatureValidationFailed", &reason),
        expected,
        "{reason}"
    );
}
