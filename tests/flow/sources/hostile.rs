//! Data chosen by those who mean ill: it harms the Pod that brings it, and no other.

use serde_json::{Value, json};

use crate::support::apiserver::Kind;
use crate::support::node::Node;
use crate::support::pod::{BAD, NOT_FOUND, Pod};
use crate::support::until;

/// A Pod beside the hostile one is failed as if nothing was, and the hostile one too where it can be.
async fn check(hostile: Pod, failed: bool) -> Node {
    let node = Node::counting_to(2).await;
    let honest = Pod::bad("honest");
    node.add(&honest);
    node.add(&hostile);
    let agent = node.agent();
    agent.judges(&honest).await;
    let fails = hostile.clone();
    node.report(&fails);
    node.fail_to(&agent, &honest, 1).await;
    node.report(&fails.clone().waiting("c", "ImagePullBackOff", "x"));
    node.report(&fails);
    node.fail_once(&honest);
    let goal = if failed { 2 } else { 1 };
    node.asked(Kind::PostEvent, goal).await;
    node.turns(2).await;
    assert!(agent.runs());
    assert_eq!(
        node.api.store().pod("honest").unwrap()["spec"]["activeDeadlineSeconds"],
        1
    );
    let ended = node.api.store().pod(hostile.name()).unwrap()["spec"]["activeDeadlineSeconds"] == 1;
    assert_eq!(ended, failed);
    for (kind, at) in [
        (Kind::PatchStatus, "/status/conditions/0/message"),
        (Kind::PostEvent, "/message"),
    ] {
        for body in node.api.bodies(kind) {
            let message = body.pointer(at).and_then(Value::as_str).unwrap();
            assert!(message.len() <= 1024 + 64, "{} bytes", message.len());
            if kind == Kind::PatchStatus {
                assert!(message.len() <= 1024, "{} bytes", message.len());
            }
            assert!(
                !message
                    .chars()
                    .any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)),
                "{message:?}"
            );
        }
    }
    let kept = std::fs::metadata(node.state_file()).unwrap().len();
    assert!(kept < 1024 * 1024, "a state file of {kept} bytes");
    let longest = node
        .lines()
        .iter()
        .map(|line| line.to_string().len())
        .max()
        .unwrap();
    assert!(longest < 1024 * 1024, "a line of {longest} bytes");
    node
}

fn hostile() -> Pod {
    Pod::bad("hostile")
}

#[tokio::test]
async fn a_message_of_a_megabyte() {
    let padding = "x".repeat(1024 * 1024);
    check(
        hostile().failing(&NOT_FOUND.replace("image: r.test", &format!("image: {padding}"))),
        true,
    )
    .await;
    check(hostile().failing(&"\"".repeat(1024 * 1024)), false).await;
}

#[tokio::test]
async fn control_characters_and_invisible_ones() {
    let evil = "failed to resolve image: \u{1b}[2J\u{1b}]0;owned\u{7}\r\0\u{202e}gpj.exe\u{200b}: not found\n\u{1b}[31m\r\n";
    check(hostile().failing(evil), true).await;
}

#[tokio::test]
async fn megabytes_of_annotations() {
    let pod = hostile()
        .annotation("theirs", &"y".repeat(2 * 1024 * 1024))
        .annotation("pullwarden.io/mode", &"enforce".repeat(100_000))
        .annotation(
            "pullwarden.io/image-pull-failure-count",
            &"9".repeat(1024 * 1024),
        );
    check(pod.failing(NOT_FOUND), true).await;
}

#[tokio::test]
async fn absurd_names_and_values() {
    let pod = Pod::new("hostile").container("c", "r.test/\u{1b}[31m\u{202e}:1");
    check(pod.not_found(), true).await;
    let image = format!("r.test/{}\u{1b}[31m:1", "a".repeat(100_000));
    let pod = Pod::new("hostile")
        .container("c", &image)
        .failing("failed to resolve image: r.test/bad:1: not found");
    check(pod, true).await;
    let pod = hostile()
        .restart("Sometimes")
        .phase("Pending")
        .failing(NOT_FOUND);
    check(pod, false).await;
    check(hostile().waiting("c", &"word ".repeat(200_000), ""), false).await;
}

#[tokio::test]
async fn thousands_of_containers() {
    let pod = (0..2000).fold(hostile().failing(NOT_FOUND), |pod, n| {
        pod.container(&format!("d{n}"), "r.test/other")
    });
    check(pod, false).await;
}

/// A Pod of 687 KB, each of its 600 images of which the pull fails so.
fn large(name: &str, message: &str) -> Pod {
    let mut pod = Pod::new(name);
    let padding = "a".repeat(900);
    let image = |n: usize| format!("r.test/{padding}{n}:1");
    let spec = |n| json!({"name": format!("c{n}"), "image": image(n)});
    let status = |n| {
        json!({"name": format!("c{n}"), "image": image(n),
            "state": {"waiting": {"reason": "ErrImagePull", "message": message}}})
    };
    pod.0["spec"]["containers"] = (0..600).map(spec).collect();
    pod.0["status"]["containerStatuses"] = (0..600).map(status).collect();
    pod
}

#[tokio::test]
async fn pods_of_hundreds_of_images_fill_neither_log_nor_memory() {
    let node = Node::counting_to(2).await;
    let honest = Pod::bad("honest");
    node.add(&honest);
    let names: Vec<String> = (0..10).map(|n| format!("large{n}")).collect();
    for name in &names {
        node.add(&large(name, "denied"));
    }
    let agent = node.agent();
    agent.judges(&honest).await;
    for message in ["not found", "i/o timeout"] {
        for name in &names {
            node.report(&large(name, message));
        }
        node.turns(2).await;
    }
    node.fail_to(&agent, &honest, 1).await;
    node.fail_once(&honest);
    node.asked(Kind::PostEvent, 1).await;
    let lines = node.lines();
    for name in &names {
        let of_pod = lines
            .iter()
            .filter(|line| line["view"]["name"] == **name || line["pod"] == **name);
        let of_pod: Vec<&Value> = of_pod.collect();
        let kinds: Vec<&Value> = of_pod.iter().map(|line| &line["kind"]).collect();
        assert_eq!(kinds, ["view", "verdict"], "{name}");
        assert_eq!(of_pod[0]["view"]["too_large"], true);
        let bytes: usize = of_pod.iter().map(|line| line.to_string().len()).sum();
        assert!(bytes < 2000, "{bytes}");
    }
    let state = std::fs::metadata(node.state_file()).unwrap().len();
    assert!(state < 10_000, "{state}");
    let latest = agent.status().await.pods;
    assert!(latest.iter().all(|pod| !pod.pod.contains("large")));
}

#[tokio::test]
async fn an_answer_about_a_pod_of_many_images_has_each_reason_once() {
    let image = |n: usize| format!("r.test/many{n}:1");
    let fails = |message: &str| {
        (0..31).fold(hostile().failing(message), |pod, n| {
            let name = format!("d{n}");
            let pod = pod.container(&name, &image(n));
            pod.waiting(&name, "ErrImagePull", message)
        })
    };
    let node = Node::counting_to(2).await;
    node.add(&fails("not found"));
    let agent = node.agent();
    agent.judges(&hostile()).await;
    node.report(&fails("i/o timeout"));
    until("all its images are told of", async || {
        agent.status().await.pods.len() == 32
    })
    .await;
    for pod in agent.status().await.pods {
        let (of, reasons) = (pod.failing.unwrap().image, pod.reasons);
        assert!(reasons.len() <= 3, "{of}: {reasons:?}");
    }
}

/// The honest Pod is failed though the other one's JSON is not what a Pod's should be.
async fn check_misshapen(edit: impl FnOnce(&mut Value)) {
    let node = Node::counting_to(2).await;
    let honest = Pod::bad("honest");
    let mut odd = hostile();
    edit(&mut odd.0);
    node.add(&honest);
    node.api.store().put(&odd);
    let agent = node.agent();
    agent.judges(&honest).await;
    node.fail_to(&agent, &honest, 1).await;
    node.fail_once(&honest);
    node.asked(Kind::PostEvent, 1).await;
}

#[tokio::test]
async fn fields_that_are_missing() {
    check_misshapen(|pod| _ = pod.as_object_mut().unwrap().remove("kind")).await;
    check_misshapen(|pod| _ = pod["spec"].as_object_mut().unwrap().remove("containers")).await;
    check_misshapen(|pod| _ = pod["status"].as_object_mut().unwrap().remove("conditions")).await;
    check_misshapen(|pod| pod["status"]["containerStatuses"] = json!([{"name": "c"}])).await;
    check_misshapen(|pod| {
        pod["status"]["containerStatuses"] = json!([{"name": "nobody", "state": {}}])
    })
    .await;
    check_misshapen(|pod| pod["metadata"]["annotations"] = Value::Null).await;
    check_misshapen(|pod| pod["spec"]["activeDeadlineSeconds"] = json!(i64::MAX)).await;
}

#[tokio::test]
async fn a_pod_that_cannot_be_read_hides_no_other() {
    check_misshapen(|pod| pod["spec"]["containers"] = Value::Null).await;
    check_misshapen(|pod| pod["metadata"]["annotations"] = json!({"a": 1})).await;
    check_misshapen(|pod| pod["status"] = json!("Pending")).await;
    check_misshapen(|pod| pod["status"]["containerStatuses"] = json!([[]])).await;

    // The same, told by a watch that stands.
    let node = Node::counting_to(2).await;
    let honest = Pod::bad("honest");
    node.add(&honest);
    node.add(&hostile());
    let agent = node.agent();
    node.fail_to(&agent, &honest, 1).await;
    let edit = |pod: &mut Value| pod["spec"]["containers"] = Value::Null;
    node.api.store().edit("hostile", edit);
    node.fail_once(&honest);
    node.asked(Kind::PostEvent, 1).await;
    assert_eq!(node.api.count(Kind::List), 1);
}

#[tokio::test]
async fn a_pod_that_changes_its_message_at_every_report_is_bounded_in_what_it_costs() {
    let node = Node::observing().await;
    let pod = hostile();
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    for n in 0..200 {
        node.report(
            &pod.clone()
                .failing(&format!("failed to resolve image: {n}: not found")),
        );
    }
    until("all are counted", async || {
        agent.failures(&pod).await == 200
    })
    .await;
    let state = std::fs::read_to_string(node.state_file()).unwrap();
    assert!(state.len() < 8 * 1024, "{} bytes", state.len());
    assert!(state.contains(BAD));
}
