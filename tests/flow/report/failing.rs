//! The way of one Pod through the agent: from the first failed pull to the writes, request by request.

use pullwarden::judge::NodeMode;
use serde_json::{Value, json};

use crate::support::apiserver::Kind;
use crate::support::node::Node;
use crate::support::pod::{BAD, NOT_FOUND, Pod};
use crate::support::until;

#[tokio::test]
async fn enforcing_makes_exactly_these_requests() {
    let node = Node::counting_to(3).await;
    let pod = Pod::bad("p");
    node.add(&pod);
    let agent = node.agent();
    node.fail_to(&agent, &pod, 2).await;
    assert_eq!(node.api.kinds(), [Kind::List, Kind::Watch]);
    node.fail_once(&pod);
    node.asked(Kind::PostEvent, 1).await;
    node.turns(3).await;
    let expected = [
        Kind::List,
        Kind::Watch,
        Kind::Get,
        Kind::GetFleet,
        Kind::PatchFleet,
        Kind::PatchStatus,
        Kind::PatchPod,
        Kind::PostEvent,
    ];
    assert_eq!(node.api.kinds(), expected);
    assert!(node.api.log().iter().all(|request| request.status == 200));
}

#[tokio::test]
async fn the_list_is_cheap_and_only_of_this_nodes_pending_pods() {
    let node = Node::observing().await;
    node.add(&Pod::bad("p"));
    let _agent = node.agent();
    node.asked(Kind::Watch, 1).await;
    let log = node.api.log();
    for request in &log {
        assert!(
            !request.query.iter().any(|(key, _)| key == "limit"),
            "{request:?}"
        );
        let selector = (
            "fieldSelector".to_owned(),
            "spec.nodeName=node1,status.phase=Pending".to_owned(),
        );
        assert!(request.query.contains(&selector), "{request:?}");
        assert_eq!(request.path, "/api/v1/pods");
    }
    assert!(
        log[0]
            .query
            .contains(&("resourceVersion".to_owned(), "0".to_owned())),
        "{:?}",
        log[0]
    );
}

/// The deadline's patch of a Pod with so many annotations.
async fn deadline_with(annotations: usize) -> Value {
    let node = Node::counting_to(1).await;
    let keys: Vec<String> = (0..annotations).map(|n| format!("a{n}")).collect();
    let pod = keys
        .iter()
        .fold(Pod::bad("p"), |pod, key| pod.annotation(key, ""));
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    node.fail_once(&pod);
    node.asked(Kind::PostEvent, 1).await;
    node.turns(2).await;
    // A further look finds the Pod ended.
    assert_eq!(node.api.bodies(Kind::PatchPod).len(), 1);
    node.api.bodies(Kind::PatchPod).remove(0)
}

/// The admission policy could not compare them in linear time if one was added.
#[tokio::test]
async fn a_pod_with_many_annotations_is_given_no_other() {
    let most = pullwarden::pod_fields::MOST_ANNOTATIONS;
    let few = deadline_with(most).await;
    assert!(few["metadata"]["annotations"]["pullwarden.io/failed-at"].is_string());
    let many = deadline_with(most + 1).await;
    assert!(many["metadata"]["annotations"].is_null(), "{many}");
    assert_eq!(many["spec"], json!({"activeDeadlineSeconds": 1}));
}

#[tokio::test]
async fn the_bodies_of_the_writes() {
    let node = Node::counting_to(1).await;
    let pod = Pod::bad("p").annotation("theirs", "x");
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    node.fail_once(&pod);
    node.asked(Kind::PostEvent, 1).await;

    let log = node.api.log();
    let of = |kind| log.iter().find(|request| request.kind == kind).unwrap();
    let (condition, deadline, event) = (
        of(Kind::PatchStatus),
        of(Kind::PatchPod),
        of(Kind::PostEvent),
    );
    let at = condition.body["status"]["conditions"][0]["lastTransitionTime"].clone();
    assert!(at.as_str().unwrap().ends_with('Z'));
    let text =
        format!("image {BAD} could not be pulled once (ImageNotFound); last error: {NOT_FOUND}");
    assert_eq!(condition.path, "/api/v1/namespaces/default/pods/p/status");
    assert_eq!(
        condition.content_type,
        "application/strategic-merge-patch+json"
    );
    let version = condition.body["metadata"]["resourceVersion"]
        .as_str()
        .unwrap();
    let expected = json!({
        "metadata": {"uid": "uid-p", "resourceVersion": version},
        "status": {"conditions": [
            {"type": "pullwarden.io/ImagePullFailed", "status": "True",
                "reason": "ImageNotFound", "message": text, "lastTransitionTime": at},
            {"type": "pullwarden.io/ImageUnavailable", "status": "True",
                "reason": "ImageNotFound", "message": text, "lastTransitionTime": at},
        ]},
    });
    assert_eq!(condition.body, expected);

    // Bound to the version that the first write has made.
    let next = (version.parse::<u64>().unwrap() + 1).to_string();
    let failed_at = deadline.body["metadata"]["annotations"]["pullwarden.io/failed-at"].clone();
    assert!(failed_at.as_str().unwrap().contains('T'));
    assert_eq!(deadline.path, "/api/v1/namespaces/default/pods/p");
    assert_eq!(deadline.content_type, "application/merge-patch+json");
    let expected = json!({
        "metadata": {"uid": "uid-p", "resourceVersion": next,
            "annotations": {"pullwarden.io/failed-at": failed_at}},
        "spec": {"activeDeadlineSeconds": 1},
    });
    assert_eq!(deadline.body, expected);

    assert_eq!(event.path, "/api/v1/namespaces/default/events");
    let body = &event.body;
    assert_eq!(body["metadata"]["name"], "pullwarden.uid-p.failed");
    assert_eq!(
        body["involvedObject"],
        json!({"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "p", "uid": "uid-p"})
    );
    assert_eq!(body["reason"], "ImagePullFailed");
    assert_eq!(body["type"], "Warning");
    assert_eq!(body["message"], format!("Failed the Pod: {text}"));

    let store = node.api.store();
    let pod = store.pod("p").unwrap();
    assert_eq!(
        pod["metadata"]["annotations"]["theirs"], "x",
        "what others wrote stays"
    );
    assert_eq!(
        pod["status"]["conditions"][0]["type"], "PodScheduled",
        "and their conditions"
    );
    assert_eq!(
        pod["status"]["phase"], "Pending",
        "the kubelet ends it, nobody else"
    );
}

#[tokio::test]
async fn observing_is_the_default_and_writes_one_event_only() {
    let mut node = Node::observing().await;
    assert_eq!(node.config.policy.mode, NodeMode::Observe);
    node.config.policy.failure_count = std::num::NonZeroU32::new(2);
    let pod = Pod::bad("p");
    node.add(&pod);
    let agent = node.agent();
    node.fail_to(&agent, &pod, 6).await;
    node.turns(3).await;
    assert_eq!(node.api.writes(), [Kind::PostEvent]);
    assert_eq!(
        node.api.count(Kind::Get),
        1,
        "it looked as if it would write"
    );
    let event = &node.api.bodies(Kind::PostEvent)[0];
    assert_eq!(event["reason"], "ImagePullWouldFail");
    let message = event["message"].as_str().unwrap();
    assert!(message.starts_with(
        "Would fail the Pod (observing only): image r.test/bad:1 could not be pulled 2 times"
    ));
}

#[tokio::test]
async fn what_was_failed_is_followed_until_the_kubelet_has_ended_it() {
    let node = Node::counting_to(1).await;
    let pod = Pod::bad("p");
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    node.fail_once(&pod);
    node.asked(Kind::PostEvent, 1).await;
    // A pull in flight: the kubelet goes on reporting.
    node.report(&pod.clone().pausing(NOT_FOUND));
    node.fail_once(&pod);
    node.turns(3).await;
    assert_eq!(
        node.api.count(Kind::PatchPod),
        1,
        "nothing is written twice"
    );
    node.report(&pod.clone().terminated("c").phase("Failed"));
    agent.drops(&pod).await;
    let left = node
        .lines()
        .into_iter()
        .find(|line| line["kind"] == "left")
        .unwrap();
    assert_eq!(left["written"], true);
    assert_eq!(
        node.api.store().pod("p").unwrap()["status"]["conditions"][1]["status"],
        "True"
    );
}

#[tokio::test]
async fn a_pod_that_heals_is_not_written_to() {
    let node = Node::counting_to(3).await;
    let pod = Pod::bad("p");
    node.add(&pod);
    let agent = node.agent();
    node.fail_to(&agent, &pod, 2).await;
    node.report(&pod.clone().running("c").phase("Running"));
    agent.drops(&pod).await;
    node.turns(3).await;
    assert_eq!(node.api.kinds(), [Kind::List, Kind::Watch]);
    until("its count is dropped", async || {
        !std::fs::read_to_string(node.state_file())
            .unwrap()
            .contains("uid-p")
    })
    .await;
}
