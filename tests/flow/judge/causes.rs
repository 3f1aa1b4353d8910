//! From what the kubelet shows to a cause: the structure of the texts, the names that must not mislead, and the classes.

use pullwarden::judge::Cause::{self, *};
use pullwarden::judge::Class;

#[track_caller]
pub fn check(message: &str, expected: Cause) {
    assert_eq!(Cause::of("ErrImagePull", message), expected, "{message}");
    // The pause of kubelets from 1.32 on says the same.
    let pause = format!("Back-off pulling image \"r/a:1\": ErrImagePull: {message}");
    assert_eq!(Cause::of("ImagePullBackOff", &pause), expected, "{pause}");
}

pub const PULL: &str = r#"failed to pull and unpack image "r.example/a:1": "#;
pub const RESOLVE: &str = r#"failed to pull and unpack image "r.example/a:1": failed to resolve reference "r.example/a:1": "#;
pub const TRANSFER: &str =
    r#"failed to pull and unpack image "r.example/a:1": failed to resolve image: "#;
pub const HEAD: &str = r#"failed to do request: Head "https://r.example/v2/a/manifests/1": "#;

#[test]
fn of_several_credentials_the_most_patient_answer_counts() {
    let denied = format!(
        "{TRANSFER}unexpected status from HEAD request to https://r.example/v2/a/manifests/1: 403 Forbidden"
    );
    let missing = format!("rpc error: code = NotFound desc = {TRANSFER}r.example/a:1: not found");
    let down = format!("{TRANSFER}{HEAD}dial tcp: lookup r.example: no such host");
    check(&format!("[{missing}, {denied}]"), Denied);
    check(&format!("[{denied}, {missing}]"), Denied);
    check(&format!("[{missing}, {down}]"), HostNotFound);
    check(&format!("[{missing}, {missing}]"), ImageNotFound);
    check(
        &format!("[{missing}, rpc error: code = Unknown desc = something new]"),
        Unrecognised,
    );
}

#[test]
fn reasons_that_say_it_all() {
    assert_eq!(Cause::of("InvalidImageName", ""), InvalidImageName);
    assert_eq!(
        Cause::of("ImageInspectError", r#"Failed to inspect image "": x"#),
        ImageInspect
    );
    assert_eq!(Cause::of("RegistryUnavailable", "x"), RegistryUnavailable);
    assert_eq!(
        Cause::of("SignatureValidationFailed", "x"),
        SignatureRefused
    );
    let never = |rest: &str| {
        Cause::of(
            "ErrImageNeverPull",
            &format!(r#"Container image "r/a:1" is {rest}"#),
        )
    };
    assert_eq!(never("not present with pull policy of Never"), NeverPull);
    assert_eq!(
        never("present with pull policy of Never but does not have the proper credentials"),
        Denied
    );
    assert_eq!(Cause::of("ErrImageNeverPull", ""), NeverPull);
    // Before 1.32 the pause does not tell why.
    assert_eq!(
        Cause::of("ImagePullBackOff", r#"Back-off pulling image "r/a:1""#),
        Unrecognised
    );
    // With the kubelet's credential checks the reason is the error.
    assert_eq!(
        Cause::of("failed to look up pull records", ""),
        Unrecognised
    );
}

#[test]
fn the_kubelet_and_the_runtime() {
    check("pull QPS exceeded", PullQpsExceeded);
    check("rpc error: code = Canceled desc = whatever", Cancelled);
    check(
        r#"rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused""#,
        RuntimeUnreachable,
    );
    check(
        "rpc error: code = Unavailable desc = error reading from server: EOF",
        RuntimeUnreachable,
    );
    check(
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        Timeout,
    );
}

#[test]
fn names_chosen_by_others_do_not_mislead() {
    let hostile = [
        "timeout/not-found:429",
        "denied.example/unauthorized:x509",
        "json.example/no-space-left-on-device:1",
        "503.example/429/dial:404",
        "http2/eof:EOF",
    ];
    for name in hostile {
        let pull =
            format!(r#"failed to pull and unpack image "{name}": failed to resolve image: "#);
        let url = format!("https://{name}/manifests/429");
        check(
            &format!("rpc error: code = NotFound desc = {pull}{name}: not found"),
            ImageNotFound,
        );
        check(
            &format!("{pull}unexpected status from HEAD request to {url}: 403 Forbidden"),
            Denied,
        );
        check(
            &format!("{pull}unexpected status from HEAD request to {url}: 503 Service Unavailable"),
            RegistryUnavailable,
        );
        check(
            &format!(r#"{pull}failed to do request: Head "{url}": EOF"#),
            ConnectionBroken,
        );
        check(
            &format!(
                "initializing source docker://{name}: reading manifest 1 in {name}: manifest unknown"
            ),
            ImageNotFound,
        );
    }
    check(
        r#"failed to do something with "failed to resolve image: a: not found""#,
        Unrecognised,
    );
    // What a registry's own text says is not asked.
    check(
        &format!(
            "{TRANSFER}pull access denied, repository does not exist or may require authorization: server message: failed to resolve image: a: not found"
        ),
        Denied,
    );
    check(
        "something new\nfailed to resolve image: a: not found",
        Unrecognised,
    );
}

#[test]
fn each_cause_has_the_class_that_the_design_gives_it() {
    let classes: [(Class, &[Cause]); 6] = [
        (
            Class::Permanent,
            &[
                ImageNotFound,
                InvalidImageName,
                UnresolvedShortName,
                NeverPull,
                NoMatchingPlatform,
                UnsupportedManifest,
            ],
        ),
        (Class::Denied, &[Denied, BadCredentials, SignatureRefused]),
        (
            Class::Corrupt,
            &[DigestMismatch, InvalidManifest, InvalidLayer],
        ),
        (
            Class::Transient,
            &[
                MissingContent,
                BehindMirror,
                HostNotFound,
                ConnectionRefused,
                ConnectionBroken,
                Unreachable,
                Timeout,
                TlsFailure,
                TooManyRequests,
                RegistryUnavailable,
                SearchFailed,
                PullQpsExceeded,
                Cancelled,
            ],
        ),
        (
            Class::Node,
            &[
                DiskFull,
                ReadOnlyStore,
                RuntimeTrouble,
                RuntimeUnreachable,
                ImageInspect,
            ],
        ),
        (Class::Unknown, &[Unrecognised]),
    ];
    for (class, causes) in classes {
        for cause in causes {
            assert_eq!(cause.class(), class, "{cause}");
        }
    }
    let listed: usize = classes.iter().map(|(_, causes)| causes.len()).sum();
    assert_eq!(listed, Cause::ALL.len());
    let uncounted: Vec<Cause> = Cause::ALL
        .into_iter()
        .filter(|cause| !cause.counts())
        .collect();
    assert_eq!(uncounted, [PullQpsExceeded, Cancelled, RuntimeUnreachable]);
}
