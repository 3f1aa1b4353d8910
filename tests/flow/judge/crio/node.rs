//! Signatures, credentials and short names: the node's own files decide.

use pullwarden::judge::Cause::{self, *};

use super::{DIGEST, frames, signature, source};
use crate::judge::causes;

#[test]
fn a_signature() {
    for inner in [
        "A signature was required, but no signature exists",
        "A signature was required, but no signature exists (0 non-sigstore signatures, 1 sigstore non-signature attachments)",
        "None of the signatures were accepted, reasons: cryptographic signature verification failed: invalid signature when validating ASN.1 encoded signature; missing dev.cosignproject.cosign/signature annotation",
        "cryptographic signature verification failed: invalid signature when validating ASN.1 encoded signature",
        "Running image docker://r.example/a:1 is rejected by policy.",
        "Any signatures for image docker://r.example/a:1 are rejected by policy.",
        "Signature for identity \"r.example/b:1\" is not accepted",
        "missing dev.cosignproject.cosign/signature annotation",
    ] {
        signature(inner, SignatureRefused);
    }
    let reading = "reading manifest sha256-9f86d081.sig in r.example/a: ";
    for (inner, expected) in [
        ("toomanyrequests: slow down", TooManyRequests),
        (r#"StatusCode: 429, """#, TooManyRequests),
        (
            "received unexpected HTTP status: 503 Service Unavailable",
            RegistryUnavailable,
        ),
        (
            r#"Get "https://r.example/v2/a/manifests/sha256-9f86d081.sig": dial tcp 192.0.2.1:443: i/o timeout"#,
            Timeout,
        ),
    ] {
        signature(&format!("{reading}{inner}"), expected);
        signature(
            &format!("downloading signatures for {DIGEST} in r.example/a: {inner}"),
            expected,
        );
    }
    for inner in [
        "open /etc/pki/key.pub: no such file or directory",
        "open /etc/pki/key.pub: permission denied",
        "Invalid crypto engine",
        "None of the signatures were accepted, reasons: Invalid crypto engine; Invalid crypto engine",
        "No public keys imported",
        "error loading Fulcio CA certificates",
        "error loading PKI CA Roots certificates",
        "parsing public key 1: PEM decoding failed",
        "parsing Rekor public key 1: PEM decoding failed",
        "Rekor public key 1 is not using ECDSA",
    ] {
        signature(inner, RuntimeTrouble);
    }
}

#[test]
fn a_registry_configured_with_a_fault() {
    for inner in [
        "rewriting reference: invalid reference format: repository name must be lowercase",
        "rewriting reference: repository name must be canonical",
        "invalid prefix 'r.example/a' for reference 'r.example/ab:1'",
        "Invalid signature storage URL https//s: parse \"https//s\": invalid URI for request",
    ] {
        source(inner, RuntimeTrouble);
    }
}

#[test]
fn a_program_of_crio_that_fails() {
    for text in [
        "--separate-pull-cgroup is supported only with systemd",
        "pullImage was aborted by a Go panic",
        "pull child finished successfully but didn’t send a result",
        "signal: killed",
        "exit status 2",
    ] {
        causes::check(text, RuntimeTrouble);
    }
}

#[test]
fn a_node_whose_configuration_is_at_fault() {
    for text in [
        "open /etc/containers/policy.json: permission denied",
        "open /etc/containers/policy.json: no such file or directory",
        "invalid policy in \"/etc/containers/policy.json\": invalid character '}' looking for beginning of value",
        "no policy.json file found at any of the following: \"/root/.config/containers/policy.json\", \"/etc/containers/policy.json\"",
        "get context for namespace: read policy path /etc/crio/policies/n.json: stat /etc/crio/policies/n.json: permission denied",
        "prepare temp auth file: unable to ensure in-use auth dir: mkdir /etc/crio/auth/in-use: read-only",
        "loading registries configuration \"/etc/containers/registries.conf\": toml: line 3: expected '.' or '='",
    ] {
        frames(text, RuntimeTrouble);
    }
    for inner in [
        "getting username and password: reading JSON file \"/etc/auth.json\": open /etc/auth.json: permission denied",
        "getting username and password: reading JSON file \"/etc/auth.json\": unmarshaling JSON at \"/etc/auth.json\": invalid character 'x' looking for beginning of value",
        "getting username and password: 1 error occurred",
        "open /etc/containers/certs.d/r.example/ca.crt: permission denied",
        "missing client certificate client.cert for key client.key",
        "missing key client.key for client certificate client.cert. Note that CA certificates should use the extension .crt",
        "loading registries configuration: toml: line 3: expected '.' or '='",
        "parsing /etc/containers/registries.d/x.yaml: yaml: line 1: did not find expected node content",
    ] {
        source(inner, RuntimeTrouble);
    }
    // The errors of its mirrors would count too.
    frames(
        "initializing source docker://r.example/a:1: registry r.example is blocked in /etc/containers/registries.conf or /etc/containers/registries.conf.d",
        SignatureRefused,
    );
}

#[test]
fn a_short_name() {
    for text in [
        "short-name \"a:1\" did not resolve to an alias and no unqualified-search registries are defined in \"/etc/containers/registries.conf\"",
        "short-name \"a:1\" did not resolve to an alias and no containers-registries.conf(5) was found",
        "short name mode is enforcing, but image name a:1 returns ambiguous list",
        "no registries configured while trying to pull an unqualified image",
    ] {
        causes::check(text, UnresolvedShortName);
        for frame in ["", "rpc error: code = Unknown desc = "] {
            let inspected = format!("Failed to inspect image \"a:1\": {frame}{text}");
            assert_eq!(
                Cause::of("ImageInspectError", &inspected),
                UnresolvedShortName
            );
        }
    }
    let other = "Failed to inspect image \"a:1\": rpc error: code = Unknown desc = locating image: layer not known";
    assert_eq!(Cause::of("ImageInspectError", other), ImageInspect);
    assert!(!UnresolvedShortName.fails_everywhere());
}

#[test]
fn a_short_name_that_several_registries_were_asked_for() {
    let last = "initializing source docker://r.example/a:1: reading manifest 1 in r.example/a: ";
    for inner in [
        "manifest unknown",
        "requested access to the resource is denied",
    ] {
        let text = format!("{last}{inner}");
        for short in ["a", "a:1", "library/a:1"] {
            let cause = Cause::for_image("ErrImagePull", &text, short);
            assert_eq!(cause, SearchFailed, "{short}: {text}");
        }
        let cause = Cause::for_image("ErrImagePull", &text, "r.example/a:1");
        assert_eq!(cause, Cause::of("ErrImagePull", &text), "{text}");
    }
    // An error that needs patience anyway says more.
    let text = format!("{last}received unexpected HTTP status: 503 Service Unavailable");
    let cause = Cause::for_image("ErrImagePull", &text, "a:1");
    assert_eq!(cause, RegistryUnavailable);
    // containerd has no such search: a short name is one of Docker Hub's.
    let text = "failed to pull and unpack image \"docker.io/library/a:1\": failed to resolve image: docker.io/library/a:1: not found";
    let cause = Cause::for_image("ErrImagePull", text, "a:1");
    assert_eq!(cause, ImageNotFound);
}
