//! The plans: the actions of agents, as far as one report can say.

use pullwarden::config::Config;
use pullwarden::judge::NamespaceView;
use pullwarden::survey::{By, Table};
use serde_json::{Value, json};

use super::seen;
use crate::support::pod::{DENIED, NO_HOST, NOT_FOUND, Pod, QPS, STRANGE, UNREADABLE_SECRET};

/// The plan for a Pod by a configuration, in words.
#[track_caller]
fn check(config: &Value, pod: &Pod, expected: &str) {
    let policy = Config::judged_by(config.clone()).unwrap().policy;
    let mut table = Table::new(By::Image, policy);
    table.add(&seen(pod));
    let plans: Vec<String> = table.total.plans.keys().map(ToString::to_string).collect();
    assert_eq!(plans, [expected], "{config} {:?}", pod.0["status"]);
}

fn not_found() -> Pod {
    Pod::bad("p").failing(NOT_FOUND)
}

#[test]
fn the_defaults_announce() {
    let defaults = json!({});
    for (pod, expected) in [
        (not_found(), "announce after 5 failures in at least 10m"),
        (
            Pod::bad("p").failing(DENIED),
            "announce after 5 failures in at least 15m",
        ),
        (
            Pod::bad("p").failing(NO_HOST),
            "announce after 12 failures in at least 6h",
        ),
        (
            Pod::bad("p").failing(STRANGE),
            "announce after 12 failures in at least 6h",
        ),
        (Pod::bad("p").failing(QPS), "not count: no pull has failed"),
        (
            Pod::bad("p").waiting("c", "ImageInspectError", "Failed to inspect image"),
            "never fail: the node's own trouble",
        ),
        (
            Pod::bad("p").waiting("c", "InvalidImageName", "couldn't parse image name"),
            "announce after 10m of the same error",
        ),
        (
            not_found().restart("Always"),
            "not judge: restartPolicy Always is not in scope and the Pod does not ask",
        ),
        (
            not_found().namespace("kube-system"),
            "not judge: the configuration excludes the namespace",
        ),
        (
            not_found().mirror(),
            "not judge: a static Pod cannot be failed through the API server",
        ),
        (
            not_found().deleting(),
            "not judge: the Pod is being deleted",
        ),
    ] {
        check(&defaults, &pod, expected);
    }
}

#[test]
fn a_configuration_decides_on_mode_and_threshold() {
    let enforce = json!({"mode": "enforce", "imagePullFailureCount": 3});
    check(&enforce, &not_found(), "fail after 3 failures");
    check(
        &enforce,
        &Pod::bad("p").failing(NO_HOST),
        "fail after 12 failures in at least 6h",
    );
    check(
        &enforce,
        &Pod::bad("p").waiting("c", UNREADABLE_SECRET, UNREADABLE_SECRET),
        "fail after 6h of the same error",
    );
    let mirrored =
        json!({"mode": "enforce", "imagePullFailureCount": 3, "behindMirror": ["r.test"]});
    check(
        &mirrored,
        &not_found(),
        "fail after 12 failures in at least 6h",
    );
    let delete = json!({"mode": "enforce", "action": "delete", "imagePullFailureCount": 1});
    check(&delete, &not_found(), "delete at the first failure");
    let opt_in = json!({"mode": "opt-in"});
    check(
        &opt_in,
        &not_found(),
        "announce after 5 failures in at least 10m",
    );
    let asking = not_found().annotation("pullwarden.io/mode", "enforce");
    check(&opt_in, &asking, "fail after 5 failures in at least 10m");
}

#[test]
fn a_pod_and_its_namespace_lower_the_mode() {
    let enforce = json!({"mode": "enforce", "scope": {"namespaces": [
        {"names": ["quiet"], "mode": "observe"},
        {"names": ["off"], "mode": "off"},
    ]}});
    let counted = "after 5 failures in at least 10m";
    check(&enforce, &not_found(), &format!("fail {counted}"));
    check(
        &enforce,
        &not_found().namespace("quiet"),
        &format!("announce {counted}"),
    );
    check(
        &enforce,
        &not_found().namespace("off"),
        "not judge: the configuration switches the namespace off",
    );
    check(
        &enforce,
        &not_found().annotation("pullwarden.io/mode", "off"),
        "not judge: the Pod's annotation pullwarden.io/mode: off",
    );
    check(
        &enforce,
        &not_found().annotation("pullwarden.io/image-pull-failure-count", "2"),
        "fail after 2 failures",
    );
    let jobs = json!({"mode": "enforce", "scope": {"pods": [{"ownerKinds": ["Job"]}]}});
    check(&jobs, &not_found(), &format!("announce {counted}"));
    check(&jobs, &not_found().owner("j"), &format!("fail {counted}"));
    let of_container = "image-pull-failure-count.pullwarden.io/c";
    check(
        &enforce,
        &not_found().annotation(of_container, "4"),
        "fail after 4 failures",
    );
}

#[test]
fn a_pod_that_was_failed_is_being_ended() {
    let mut pod = not_found().annotation("pullwarden.io/failed-at", "2026-01-01T00:00:00Z");
    pod.0["spec"]["activeDeadlineSeconds"] = json!(1);
    check(
        &json!({"mode": "enforce"}),
        &pod,
        "failed already: the kubelet is ending the Pod",
    );
}

#[test]
fn rules_by_labels_need_the_labels() {
    let config = json!({"mode": "enforce", "scope": {"namespaces": [
        {"selector": {"matchLabels": {"env": "prod"}}, "mode": "observe"},
    ]}});
    let policy = Config::judged_by(config.clone()).unwrap().policy;
    let mut table = Table::new(By::Image, policy);
    let pod = seen(&not_found());
    assert!(table.needs_namespace(&pod));
    assert!(!table.needs_namespace(&seen(&Pod::bad("creating"))));
    check(
        &config,
        &not_found(),
        "not known: the namespace could not be read",
    );
    let labels = [("env".to_owned(), "prod".to_owned())];
    let view = NamespaceView {
        labels: labels.into(),
        ..NamespaceView::default()
    };
    table.know("default", view);
    assert!(!table.needs_namespace(&pod));
    table.add(&pod);
    let plan = table.total.plans.keys().next().unwrap();
    assert_eq!(
        plan.to_string(),
        "announce after 5 failures in at least 10m"
    );
}
