//! The rows, and what is counted in them.

use pullwarden::judge::Cause;
use pullwarden::survey::By;
use serde_json::json;

use super::{groups, table};
use crate::support::pod::{BAD, DENIED, GOOD, NO_HOST, NOT_FOUND, Pod, UNREADABLE_SECRET};

/// The sizes of what a group has: Pods, images, nodes, namespaces, owners.
fn sizes(group: &pullwarden::survey::Group) -> (u64, usize, usize, usize, usize) {
    (
        group.pods,
        group.images.len(),
        group.nodes.len(),
        group.namespaces.len(),
        group.owners.len(),
    )
}

#[test]
fn a_row_has_the_pods_of_one_image_and_cause() {
    let pods = [
        Pod::bad("a").owner("one").failing(NOT_FOUND),
        Pod::bad("b").owner("one").node("node2").pausing(NOT_FOUND),
        Pod::bad("c").namespace("team-a").failing(NOT_FOUND),
        Pod::bad("d").failing(DENIED),
        Pod::new("e").container("c", GOOD).running("c"),
    ];
    let table = table(By::Image, &pods);
    let groups = groups(&table);
    assert_eq!(groups.len(), 2);
    let not_found = groups[&(BAD, Cause::ImageNotFound)];
    assert_eq!(sizes(not_found), (3, 1, 2, 2, 1));
    assert_eq!(sizes(groups[&(BAD, Cause::Denied)]), (1, 1, 1, 1, 0));
    assert_eq!(sizes(&table.total), (4, 1, 2, 2, 1));
    assert_eq!(table.pending, 5);
}

#[test]
fn pods_are_grouped_by_what_is_asked() {
    let pods = [
        Pod::new("a").container("c", "r.test/a:1").not_found(),
        Pod::new("b")
            .container("c", "r.test/b:1")
            .node("node2")
            .not_found(),
        Pod::new("c")
            .container("c", "busybox")
            .namespace("team-a")
            .failing(&NO_HOST.replace(BAD, "docker.io/library/busybox:latest")),
    ];
    for (by, expected) in [
        (By::Image, &["busybox", "r.test/a:1", "r.test/b:1"][..]),
        (By::Registry, &["docker.io", "r.test"]),
        (By::Namespace, &["default", "team-a"]),
        (By::Node, &["node1", "node1", "node2"]),
    ] {
        let table = table(by, &pods);
        let names: Vec<&str> = groups(&table).into_keys().map(|(name, _)| name).collect();
        assert_eq!(names, expected, "{by:?}");
        assert_eq!(table.total.pods, 3);
    }
}

#[test]
fn a_pod_with_two_failing_images_counts_once_in_all() {
    let pod = Pod::bad("a")
        .container("d", "r.test/other:1")
        .requests(json!({"cpu": "2"}))
        .not_found()
        .waiting(
            "d",
            "ErrImagePull",
            &NOT_FOUND.replace(BAD, "r.test/other:1"),
        );
    let by_image = table(By::Image, [&pod]);
    assert_eq!(by_image.groups.len(), 2);
    assert_eq!((by_image.total.pods, by_image.total.images.len()), (1, 2));
    assert_eq!(by_image.total.holds["cpu"], 2.0);
    // Both images are of one registry and one cause.
    let by_registry = table(By::Registry, [&pod]);
    let group = groups(&by_registry)[&("r.test", Cause::ImageNotFound)];
    assert_eq!(sizes(group), (1, 2, 1, 1, 0));
    assert_eq!(group.holds["cpu"], 2.0);
}

#[test]
fn what_the_pods_hold_is_added_up() {
    let gpu =
        json!({"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": "4", "hugepages-2Mi": "2Mi"});
    let nic = json!({"cpu": "1", "example.com/nic": "1"});
    let pods = [
        Pod::bad("a").requests(gpu.clone()).not_found(),
        Pod::bad("b").requests(gpu).not_found(),
        Pod::bad("c").requests(nic).not_found(),
    ];
    let holds = &table(By::Image, &pods).total.holds;
    let amount = |name: &str| holds.get(name).copied();
    assert_eq!(amount("cpu"), Some(2.0));
    assert_eq!(amount("memory"), Some(2.0 * 1024.0 * 1024.0 * 1024.0));
    assert_eq!(amount("nvidia.com/gpu"), Some(8.0));
    assert_eq!(amount("example.com/nic"), Some(1.0));
}

#[test]
fn the_oldest_pod_is_the_one_that_was_bound_first() {
    let bound = |name: &str, at: &str| {
        let mut pod = Pod::bad(name).not_found();
        pod.0["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        pod.0["status"]["conditions"] =
            json!([{"type": "PodScheduled", "status": "True", "lastTransitionTime": at}]);
        pod
    };
    let pods = [
        bound("a", "2026-01-03T00:00:00Z"),
        bound("b", "2026-01-02T00:00:00Z"),
    ];
    let oldest = table(By::Image, &pods).total.oldest.unwrap();
    assert_eq!(oldest.to_string(), "2026-01-02T00:00:00Z");
}

#[test]
fn every_place_of_an_image_counts() {
    let mut sidecar = Pod::new("sidecar")
        .init("side", BAD)
        .container("c", GOOD)
        .running("c");
    sidecar.0["spec"]["initContainers"][0]["restartPolicy"] = json!("Always");
    for (pod, image, cause) in [
        (
            Pod::new("init")
                .init("i", BAD)
                .container("c", GOOD)
                .waiting("i", "ErrImagePull", NOT_FOUND),
            BAD,
            Cause::ImageNotFound,
        ),
        (
            sidecar.waiting("side", "ErrImagePull", NOT_FOUND),
            BAD,
            Cause::ImageNotFound,
        ),
        (
            Pod::new("volume")
                .container("c", GOOD)
                .image_volume("c", "model", BAD)
                .failing(NOT_FOUND),
            BAD,
            Cause::ImageNotFound,
        ),
        (
            Pod::new("name").container("c", "r.test/B:1").waiting(
                "c",
                "InvalidImageName",
                "Failed to apply default image tag \"r.test/B:1\": couldn't parse image name",
            ),
            "r.test/B:1",
            Cause::InvalidImageName,
        ),
        (
            Pod::bad("inspect").waiting("c", "ImageInspectError", "Failed to inspect image"),
            BAD,
            Cause::ImageInspect,
        ),
        (
            Pod::bad("never").waiting("c", "ErrImageNeverPull", "Container image is not present"),
            BAD,
            Cause::NeverPull,
        ),
        (
            Pod::bad("secret").waiting("c", UNREADABLE_SECRET, UNREADABLE_SECRET),
            BAD,
            Cause::of(UNREADABLE_SECRET, UNREADABLE_SECRET),
        ),
    ] {
        let table = table(By::Image, [&pod]);
        let found: Vec<_> = groups(&table).into_keys().collect();
        assert_eq!(found, [(image, cause)], "{}", pod.name());
    }
}

#[test]
fn pods_that_wait_for_something_else_are_only_counted() {
    let many = (0..65).fold(Pod::new("large"), |pod, n| {
        pod.container(&format!("c{n}"), BAD)
    });
    let pods = [
        Pod::bad("unscheduled").node(""),
        Pod::bad("creating").waiting("c", "ContainerCreating", ""),
        Pod::bad("command").waiting("c", "CreateContainerError", "no such command"),
        Pod::bad("silent"),
        many,
    ];
    let table = table(By::Image, &pods);
    assert!(table.groups.is_empty() && table.total.pods == 0);
    assert_eq!(
        (table.pending, table.unscheduled, table.too_large),
        (5, 1, 1)
    );
}

/// The status is about the image before the edit until the kubelet's next sync.
#[test]
fn an_error_of_an_image_that_was_edited_is_not_counted() {
    let pod = Pod::bad("edited").not_found().edited("c", "r.test/new:1");
    assert!(table(By::Image, [&pod]).groups.is_empty());
}
