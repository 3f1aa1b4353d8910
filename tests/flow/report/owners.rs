//! Events on the owners of a Pod that was failed: what they say, on whom, and how often.

use serde_json::{Value, json};

use crate::support::apiserver::Kind;
use crate::support::node::Node;
use crate::support::pod::{BAD, Pod};

fn of_set(name: &str) -> Pod {
    Pod::bad(name).owner("job").job_set("5e7")
}

/// Fails these Pods one after the other; the Events that were asked for, by the kind of their object.
async fn events_of(node: &Node, pods: &[Pod], expected: usize) -> Vec<(String, Value)> {
    let agent = node.agent();
    for pod in pods {
        node.add(pod);
        agent.judges(pod).await;
        node.fail_once(pod);
    }
    node.asked(Kind::PostEvent, expected).await;
    node.turns(3).await;
    let kind = |event: &Value| event["involvedObject"]["kind"].as_str().unwrap().to_owned();
    let events = node.api.bodies(Kind::PostEvent).into_iter();
    let mut events: Vec<_> = events.map(|event| (kind(&event), event)).collect();
    assert_eq!(events.len(), expected, "{events:?}");
    events.sort_by(|a, b| a.0.cmp(&b.0));
    events
}

#[tokio::test]
async fn the_controller_and_the_top_of_the_chain_are_told() {
    let node = Node::counting_to(1).await;
    let events = events_of(&node, &[of_set("p")], 3).await;
    let kinds: Vec<&str> = events.iter().map(|(kind, _)| &**kind).collect();
    assert_eq!(kinds, ["Job", "JobSet", "Pod"]);
    for (event, object) in [
        (
            &events[0].1,
            json!({"apiVersion": "batch/v1", "kind": "Job", "namespace": "default", "name": "job", "uid": "job"}),
        ),
        (
            &events[1].1,
            json!({"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "namespace": "default", "name": "training", "uid": "5e7"}),
        ),
    ] {
        assert_eq!(event["involvedObject"], object);
        assert_eq!(event["related"], events[2].1["involvedObject"]);
        assert_eq!(event["reason"], "ImagePullFailed");
        let message = event["message"].as_str().unwrap();
        let head = format!("Failed the Pod p: image {BAD} could not be pulled once");
        assert!(message.starts_with(&head), "{message}");
        let name = event["metadata"]["name"].as_str().unwrap();
        let head = format!("pullwarden.{}.", object["uid"].as_str().unwrap());
        assert!(name.starts_with(&head), "{name}");
    }
}

#[tokio::test]
async fn an_owner_is_told_once_an_hour_of_an_image() {
    let node = Node::counting_to(1).await;
    let other = Pod::new("c").container("c", "r.test/other:1");
    let other = other.owner("job").job_set("5e7");
    // Three Pods, of which two have the same image; their Job and JobSet get an Event for both images.
    let events = events_of(&node, &[of_set("a"), of_set("b"), other], 7).await;
    let count = |of: &str| events.iter().filter(|(kind, _)| kind == of).count();
    assert_eq!((count("Pod"), count("Job"), count("JobSet")), (3, 2, 2));
}

#[tokio::test]
async fn who_has_no_owner_or_wants_no_such_events_gets_none() {
    let node = Node::counting_to(1).await;
    assert_eq!(events_of(&node, &[Pod::bad("p")], 1).await[0].0, "Pod");
    let mut node = Node::counting_to(1).await;
    node.config.policy.switches.owner_events = false;
    assert_eq!(events_of(&node, &[of_set("p")], 1).await[0].0, "Pod");
}

#[tokio::test]
async fn an_owners_event_that_is_denied_is_not_tried_at_the_next_pod() {
    let node = Node::counting_to(1).await;
    node.api
        .refuse_from(Kind::PostEvent, 1, 403, "no Events for you");
    // The Event on the Job and one on each Pod.
    let pods = [Pod::bad("a").owner("job"), Pod::bad("b").owner("job")];
    events_of(&node, &pods, 3).await;
}
