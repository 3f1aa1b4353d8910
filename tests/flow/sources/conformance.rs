//! The same Pod by the API server's JSON and by the kubelet's protobuf is the same to the judge.

use pullwarden::evidence;
use testbed::fakes::encode;

use crate::support::pod::{BAD, GOOD, NOT_FOUND, Pod};

#[track_caller]
fn check(pod: Pod) {
    let bytes = encode(&pod);
    let decoded = evidence::pod_from_protobuf(&bytes).unwrap();
    assert_eq!(decoded.view(), pod.view());
}

fn pod() -> Pod {
    Pod::bad("p").version("17")
}

#[test]
fn both_sources_give_the_same_view() {
    check(Pod::new("p"));
    check(pod());
    check(pod().failing(NOT_FOUND));
    check(pod().pausing(NOT_FOUND));
    check(pod().running("c").phase("Running"));
    check(pod().terminated("c").phase("Failed"));
    check(pod().failing(NOT_FOUND).edited("c", GOOD));
    check(
        pod()
            .init("i", BAD)
            .init("j", GOOD)
            .terminated("i")
            .waiting("j", "PodInitializing", ""),
    );
    check(
        pod()
            .restart("OnFailure")
            .node("node2")
            .namespace("n")
            .uid("u"),
    );
    check(pod().restart("Always").deleting());
    let mounting = pod().image_volume("c", "model", GOOD);
    assert_eq!(mounting.view().containers.len(), 2);
    check(mounting.clone());
    check(mounting.clone().failing(NOT_FOUND));
    check(mounting.failing(&format!("\"{GOOD}\": not found")));
}

#[test]
fn annotations_owners_and_marks_are_the_same() {
    check(
        pod()
            .annotation("pullwarden.io/mode", "off")
            .annotation("other", "x"),
    );
    check(pod().annotation("pullwarden.io/image-pull-failure-count", &"9".repeat(999)));
    check(pod().owner("o"));
    let mut not_controlling = pod().owner("o");
    not_controlling.0["metadata"]["ownerReferences"][0]["controller"] = false.into();
    check(not_controlling);
    check(pod().mirror());
    check(pod().annotation("kubernetes.io/config.source", "api"));
    check(pod().annotation("kubernetes.io/config.source", "file"));
    let mut ours = pod().annotation("pullwarden.io/failed-at", "2026-01-01T00:00:00Z");
    ours.0["spec"]["activeDeadlineSeconds"] = 1.into();
    ours.0["status"]["conditions"][0] =
        serde_json::json!({"type": "pullwarden.io/ImagePullFailed", "status": "True"});
    assert!(ours.view().ending && ours.view().marked);
    check(ours);
}

#[test]
fn long_texts_are_cut_the_same() {
    check(pod().failing(&"é".repeat(100_000)));
    check(
        Pod::new("p")
            .container("c", &"i".repeat(5000))
            .waiting("c", &"r".repeat(999), "m"),
    );
}

#[test]
fn large_pods_are_the_same() {
    for containers in [64, 65] {
        let pod = (0..containers).fold(Pod::new("p"), |pod, n| {
            pod.container(&format!("c{n}"), BAD).waiting(
                &format!("c{n}"),
                "ErrImagePull",
                &"m".repeat(5000),
            )
        });
        assert_eq!(pod.view().too_large, containers > 64);
        check(pod);
    }
}

#[test]
fn a_static_pod_cannot_be_failed_and_one_of_the_api_server_can() {
    let from = |source| {
        pod()
            .annotation("kubernetes.io/config.source", source)
            .view()
    };
    assert!(from("file").mirror && from("http").mirror && !from("api").mirror);
    assert!(from("file").annotations.is_empty());
}

#[test]
fn fields_that_are_not_read_are_skipped() {
    let mut bytes = encode(&pod());
    // Field 15, length 3; field 16 as a number; field 17 in eight bytes.
    bytes.extend(b"\x7a\x03abc\x80\x01\x05\x89\x01\x01\x02\x03\x04\x05\x06\x07\x08");
    let decoded = evidence::pod_from_protobuf(&bytes).unwrap();
    assert_eq!(decoded.view(), pod().view());
}
