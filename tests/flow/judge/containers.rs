//! A failure count of a single container: whose image it is for, and what becomes of odd ones.

use proptest::prelude::*;
use pullwarden::judge::{Reason, RestartPolicy};

use crate::support::apiserver::Kind::{PatchPod, PostEvent};
use crate::support::judge::{TestJudge, decides_to_fail, settles};
use crate::support::node::Node;
use crate::support::pod::{BAD, GOOD, NOT_FOUND, Pod};
use crate::support::random::cases;

/// Names of annotations, one of them about no container.
pub const NAMES: [&str; 4] = [
    "pullwarden.io/mode",
    "pullwarden.io/image-pull-failure-count",
    "image-pull-failure-count.pullwarden.io/c0",
    "image-pull-failure-count.pullwarden.io/c9",
];

/// Name of the annotation for a container.
fn annotation(container: &str) -> String {
    format!("image-pull-failure-count.pullwarden.io/{container}")
}

fn for_container(pod: Pod, container: &str, count: &str) -> Pod {
    pod.annotation(&annotation(container), count)
}

fn for_pod(pod: Pod, count: &str) -> Pod {
    pod.annotation("pullwarden.io/image-pull-failure-count", count)
}

/// A Pod with the containers `c` and `d`, whose image is missing too.
fn pod() -> Pod {
    Pod::bad("p").container("d", "r.test/other:1")
}

/// The failure of this container after which the Pod is failed.
#[track_caller]
fn decides(judge: TestJudge, pod: &Pod, container: &str) -> Option<u64> {
    let mut judge = judge;
    let message = NOT_FOUND.replace(BAD, &pod.image_of(container));
    (1..12).find(|n| {
        let reported = |reason: &str| pod.clone().waiting(container, reason, &message);
        let verdict = judge.see(reported("ErrImagePull"), n * 30);
        judge.see(reported("ImagePullBackOff"), n * 30 + 1);
        decides_to_fail(&verdict)
    })
}

fn node_counts_to(count: u32) -> TestJudge {
    TestJudge::counting_to(count)
}

#[test]
fn a_container_has_its_own_count_and_the_others_the_pods() {
    let both = for_container(for_pod(pod(), "6"), "d", "2");
    assert_eq!(decides(node_counts_to(9), &both, "d"), Some(2));
    assert_eq!(decides(node_counts_to(9), &both, "c"), Some(6));
    let own = for_container(pod(), "d", "2");
    assert_eq!(decides(node_counts_to(4), &own, "d"), Some(2));
    assert_eq!(decides(node_counts_to(4), &own, "c"), Some(4));
    // It may be higher than the Pod's too.
    let patient = for_container(for_pod(pod(), "2"), "d", "7");
    assert_eq!(decides(node_counts_to(9), &patient, "d"), Some(7));
}

#[test]
fn an_init_container_has_a_count_too() {
    let pod = for_container(pod().init("setup", "r.test/setup:1"), "setup", "3");
    assert_eq!(decides(node_counts_to(9), &pod, "setup"), Some(3));
}

#[test]
fn of_the_containers_that_share_an_image_the_lowest_count_counts() {
    let shared = Pod::bad("p").container("d", BAD).container("e", GOOD);
    let pod = for_container(for_container(shared, "c", "5"), "d", "3");
    let pod = for_container(pod, "e", "1");
    assert_eq!(decides(node_counts_to(9), &pod, "c"), Some(3));
    // The one without an annotation has the Pod's count, or the node's.
    let shared = for_container(Pod::bad("p").container("d", BAD), "d", "7");
    let of_pod = for_pod(shared.clone(), "4");
    assert_eq!(decides(node_counts_to(9), &of_pod, "c"), Some(4));
    assert_eq!(decides(node_counts_to(2), &shared, "c"), Some(2));
}

#[test]
fn a_container_without_any_count_goes_by_the_thresholds() {
    let pod = for_container(pod(), "d", "2");
    let judge = TestJudge::enforcing;
    assert_eq!(decides(judge(), &pod, "d"), Some(2));
    // Ten minutes, at a failure in each half.
    assert_eq!(decides(judge(), &pod, "c"), None);
}

#[test]
fn a_count_that_cannot_be_read_loses_nothing() {
    for garbage in ["0", "-1", "five", "", "1.5", " 2", "99999999999999999999"] {
        let pod = for_container(for_pod(pod(), "3"), "c", garbage);
        assert_eq!(decides(node_counts_to(9), &pod, "c"), Some(3), "{garbage}");
        let of_node = for_container(self::pod(), "c", garbage);
        assert_eq!(decides(node_counts_to(4), &of_node, "c"), Some(4));
    }
}

#[test]
fn a_count_of_a_container_asks_for_the_pod_and_one_of_no_container_does_not() {
    let always = pod().restart("Always");
    let asks = for_container(always.clone(), "d", "2");
    let verdict = node_counts_to(2).fail(&asks, NOT_FOUND, 1);
    assert!(!decides_to_fail(&verdict) && verdict.observed.changed);
    for name in ["nobody", "", "D", "volume/d", "CONTAINER"] {
        let wrong = for_container(always.clone(), name, "1");
        let verdict = node_counts_to(1).fail(&wrong, NOT_FOUND, 1);
        let expected = Reason::RestartPolicyNotCovered(RestartPolicy::Always);
        assert!(settles(&verdict, &expected), "{name} {verdict:?}");
    }
}

proptest! {
    #![proptest_config(cases(100))]

    /// Whatever counts there are, the lowest for the image decides, and the failure before it does not.
    #[test]
    fn the_lowest_count_for_the_image_decides(
        counts in proptest::collection::vec(proptest::option::of(1_u32..9), 4),
        shared in proptest::collection::vec(any::<bool>(), 3),
        of_pod in proptest::option::of(1_u32..9),
        of_node in 1_u32..9,
    ) {
        let mut pod = Pod::bad("p");
        let mut expected = Vec::new();
        let whole = of_pod.unwrap_or(of_node);
        for (n, (count, shared)) in (0..).zip(counts.iter().zip([true].iter().chain(&shared))) {
            let name = if n == 0 { "c".to_owned() } else { format!("d{n}") };
            if n > 0 {
                pod = pod.container(&name, if *shared { BAD } else { GOOD });
            }
            if let Some(count) = count {
                pod = for_container(pod, &name, &count.to_string());
            }
            if *shared {
                expected.push(count.unwrap_or(whole));
            }
        }
        if let Some(count) = of_pod {
            pod = for_pod(pod, &count.to_string());
        }
        let expected = expected.into_iter().min().map(u64::from);
        prop_assert_eq!(decides(node_counts_to(of_node), &pod, "c"), expected);
    }
}

#[tokio::test]
async fn the_author_is_told_of_bad_counts_and_explain_of_wrong_names() {
    let node = Node::counting_to(9).await;
    let pod = for_container(for_container(pod(), "c", "soon"), "x", "1");
    let pod = for_container(pod, "d", "4");
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    node.fail_to(&agent, &pod, 1).await;
    node.asked(PostEvent, 1).await;
    let told = &node.api.bodies(PostEvent)[0];
    assert_eq!(told["reason"], "InvalidAnnotation");
    let bad = format!("{}: \"soon\" is not a whole number from 1", annotation("c"));
    assert_eq!(told["message"], format!("Ignored: {bad}"));
    let explained = agent.explain("default", "p").await;
    let unknown = format!("{}: the Pod has no container x", annotation("x"));
    let notes = [bad, unknown].map(|note| format!("ignored: {note}"));
    assert_eq!(explained.notes, notes);
    // Nothing is lost: the Pod is judged by the node's count.
    let why: Vec<String> = explained.reasons.iter().map(ToString::to_string).collect();
    assert!(why[0].contains("1 of 9 failures"), "{why:?}");
    let status = agent.status().await;
    assert!(
        serde_json::to_string(&status)
            .unwrap()
            .contains("1 of 9 failures")
    );
    assert!(node.api.bodies(PatchPod).is_empty());
}

#[tokio::test]
async fn the_agent_fails_the_pod_at_the_containers_count() {
    let node = Node::counting_to(9).await;
    let pod = for_container(pod(), "c", "2");
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    node.fail_to(&agent, &pod, 1).await;
    node.turns(2).await;
    assert!(node.api.writes().is_empty());
    node.fail_once(&pod);
    node.asked(PatchPod, 1).await;
}
