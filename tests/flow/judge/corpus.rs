//! Every line of `tests/data/pull-errors` has the cause that the table names for its case.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pullwarden::judge::Cause::{self, *};
use serde_json::Value;

/// The cause of each case, whatever the runtime.
const CAUSES: [(&str, &[&str]); 21] = [
    (
        "ImageNotFound",
        &[
            "missing-digest",
            "missing-repository",
            "missing-tag",
            "missing-tag-wrapped",
            // The origin says so.
            "mirror-closed",
            "two-passwords-missing-tag",
        ],
    ),
    ("InvalidImageName", &["invalid-name"]),
    ("UnresolvedShortName", &["short-name"]),
    (
        "NoMatchingPlatform",
        &["other-platform", "other-platform-index"],
    ),
    ("UnsupportedManifest", &["schema-1"]),
    (
        "Denied",
        &[
            "access-denied",
            "basic-challenge",
            "denied-list",
            "denied-list-wrapped",
            "forbidden",
            "forbidden-blobs",
            "insufficient-scope",
            "no-challenge",
            "token-401",
            "token-403",
            "token-ignored",
            "two-passwords",
            "unauthorized",
            "wrong-password-basic",
        ],
    ),
    ("BadCredentials", &["wrong-password-token"]),
    (
        "SignatureRefused",
        &[
            "blocked-registry",
            "signature",
            "signature-missing",
            "signature-policy",
            "signature-refused",
        ],
    ),
    ("DigestMismatch", &["wrong-layer"]),
    ("InvalidManifest", &["garbage-manifest"]),
    (
        "MissingContent",
        &["missing-config", "missing-layer", "missing-manifest"],
    ),
    (
        "HostNotFound",
        &[
            "name-server-broken",
            "name-server-silent",
            "no-such-host",
            "no-such-host-wrapped",
        ],
    ),
    ("ConnectionRefused", &["closed-port", "closed-port-wrapped"]),
    (
        "ConnectionBroken",
        &["reset", "reset-layer", "short-layer", "truncated-layer"],
    ),
    ("Unreachable", &["firewall", "no-route"]),
    ("Timeout", &["connect-timeout", "hang"]),
    (
        "TlsFailure",
        &[
            "tls-expired",
            "tls-none",
            "tls-unknown-authority",
            "tls-wrong-host",
        ],
    ),
    (
        "TooManyRequests",
        &[
            "retry-after",
            "token-429",
            "too-many",
            "too-many-blobs",
            "too-many-digests",
            "too-many-registry",
        ],
    ),
    (
        "RegistryUnavailable",
        &[
            // A page for people where a manifest should be.
            "html",
            "origin-closed",
            "ping-503",
            "signature-down",
            "signature-store-closed",
            "status-500",
            "status-502",
            "status-503",
            "status-503-blobs",
            "status-503-digests",
            "status-503-unknown",
            "status-503-wrapped",
            "status-504",
            // The token server's 404 says nothing of the image.
            "token-404",
            "token-500",
        ],
    ),
    ("DiskFull", &["disk-full", "disk-full-extract"]),
    (
        "RuntimeTrouble",
        &["certificate-alone", "credential-helper"],
    ),
];

/// Causes of a few cases more that are no failures of a registry.
const OWN: [(&str, Cause); 2] = [("pull-qps", PullQpsExceeded), ("cancelled", Cancelled)];

/// Where a runtime tells less, or other things, than the rest: (beginning of the file's name, case, cause).
const EXCEPT: [(&str, &str, Cause); 4] = [
    // CRI-O says it with a reason of the kubelet's, which stands for all that keeps a registry from answering.
    ("cri", "closed-port", RegistryUnavailable),
    // It reads this format, and stops at the image's ID.
    ("crio-", "schema-1", InvalidManifest),
    // It says so of a pull without credentials too.
    ("crio-", "token-401", BadCredentials),
    // It compares digests alone.
    ("crio-", "short-layer", DigestMismatch),
];

/// Cases that fail nowhere, or only with some runtimes: (file, case). They are slow, or they run.
const NO_FAILURE: [(&str, &str); 34] = [
    ("containerd-1.7.35-kubelet-1.33.13.jsonl", "hang"),
    ("containerd-1.7.35-kubelet-1.33.13.jsonl", "late-headers"),
    (
        "containerd-1.7.35-kubelet-1.33.13.jsonl",
        "other-architecture",
    ),
    // 1.7 converts it.
    ("containerd-1.7.35-kubelet-1.33.13.jsonl", "schema-1"),
    ("containerd-1.7.35-kubelet-1.33.13.jsonl", "slow-layers"),
    ("containerd-1.7.35-kubelet-1.33.13.jsonl", "stalled-layer"),
    ("containerd-1.7.35.jsonl", "hang"),
    ("containerd-1.7.35.jsonl", "late-headers"),
    ("containerd-1.7.35.jsonl", "other-architecture"),
    ("containerd-1.7.35.jsonl", "schema-1"),
    ("containerd-1.7.35.jsonl", "slow-layers"),
    ("containerd-1.7.35.jsonl", "stalled-layer"),
    ("containerd-2.4.2.jsonl", "late-headers"),
    ("containerd-2.4.2.jsonl", "other-architecture"),
    ("containerd-2.4.2.jsonl", "slow-layers"),
    ("containerd-2.4.2.jsonl", "stalled-layer"),
    ("crio-1.34.0.jsonl", "hang"),
    ("crio-1.34.0.jsonl", "late-headers"),
    // It asks for the manifest by its tag, and for nothing by digest.
    ("crio-1.34.0.jsonl", "missing-manifest"),
    ("crio-1.34.0.jsonl", "other-architecture"),
    // It waits as long as it is told.
    ("crio-1.34.0.jsonl", "retry-after"),
    ("crio-1.34.0.jsonl", "slow-layers"),
    ("crio-1.34.0.jsonl", "stalled-layer"),
    ("crio-1.34.0.jsonl", "status-503-digests"),
    ("crio-1.34.0.jsonl", "too-many-digests"),
    ("crio-1.36.3.jsonl", "hang"),
    ("crio-1.36.3.jsonl", "late-headers"),
    ("crio-1.36.3.jsonl", "missing-manifest"),
    ("crio-1.36.3.jsonl", "other-architecture"),
    ("crio-1.36.3.jsonl", "retry-after"),
    ("crio-1.36.3.jsonl", "slow-layers"),
    ("crio-1.36.3.jsonl", "stalled-layer"),
    ("crio-1.36.3.jsonl", "status-503-digests"),
    ("crio-1.36.3.jsonl", "too-many-digests"),
];

pub struct Line {
    pub file: String,
    pub case: String,
    pub reason: String,
    pub message: String,
}

pub fn lines() -> Vec<Line> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pull-errors");
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_none_or(|extension| extension != "jsonl")
        {
            continue;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            lines.push(Line {
                file: path.file_name().unwrap().to_str().unwrap().to_owned(),
                case: text("case"),
                reason: text("reason"),
                message: text("message"),
            });
        }
    }
    lines
}

fn causes() -> BTreeMap<&'static str, Cause> {
    let named = |name: &str| Cause::ALL.into_iter().find(|c| c.as_str() == name).unwrap();
    let of = |(cause, cases): (&str, &'static [&'static str])| {
        let cause = named(cause);
        cases.iter().map(move |case| (*case, cause))
    };
    CAUSES.into_iter().flat_map(of).chain(OWN).collect()
}

#[test]
fn every_line_has_the_cause_of_its_case() {
    let causes = causes();
    let mut wrong = Vec::new();
    for Line {
        file,
        case,
        reason,
        message,
    } in lines()
    {
        if ["ContainerCreating", "Running"].contains(&reason.as_str()) {
            continue;
        }
        let except = EXCEPT
            .iter()
            .find(|(head, c, _)| file.starts_with(head) && *c == case);
        let expected = except
            .map(|(_, _, cause)| cause)
            .or(causes.get(case.as_str()));
        let cause = Cause::of(&reason, &message);
        if expected != Some(&cause) {
            wrong.push(format!(
                "{file}: {case}: {cause}, not {expected:?}: {reason}: {message}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_of_the_table_has_a_line() {
    let lines = lines();
    let failing: BTreeSet<&str> = lines
        .iter()
        .filter(|line| !["ContainerCreating", "Running"].contains(&line.reason.as_str()))
        .map(|line| line.case.as_str())
        .collect();
    let table: BTreeSet<&str> = causes().into_keys().collect();
    assert_eq!(table, failing);
}

#[test]
fn what_shows_no_failure_is_what_is_known_to_show_none() {
    let lines = lines();
    let quiet: BTreeSet<(&str, &str)> = lines
        .iter()
        .filter(|line| ["ContainerCreating", "Running"].contains(&line.reason.as_str()))
        .map(|line| (line.file.as_str(), line.case.as_str()))
        .collect();
    assert_eq!(quiet, BTreeSet::from(NO_FAILURE));
    for (file, case) in quiet {
        let mut same = lines.iter().filter(|l| l.file == file && l.case == case);
        let fails = same.any(|line| line.reason == "ErrImagePull");
        assert!(!fails, "{file}: {case} fails as well");
    }
}

#[test]
fn a_pause_says_what_the_failure_before_it_said() {
    for line in lines().iter().filter(|l| l.reason == "ImagePullBackOff") {
        let told = line.message.contains(": ErrImagePull: ")
            || line.message.contains(": RegistryUnavailable: ")
            || line.message.contains(": SignatureValidationFailed: ");
        assert!(told, "{}: {}", line.file, line.message);
    }
}
