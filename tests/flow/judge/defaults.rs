//! The annotations of a Namespace are defaults for its Pods, where the configuration allows it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;
use pullwarden::judge::{
    CountRange, Decision, Event, NamespaceView, NodeMode, Reason, RestartPolicy, Settings,
};
use serde_json::json;

use crate::support::apiserver::Act;
use crate::support::apiserver::Kind::{GetNamespace, List, PatchPod, Watch};
use crate::support::judge::{TestJudge, at, decides_to_fail, request, settles};
use crate::support::node::Node;
use crate::support::pod::{NOT_FOUND, Pod};
use crate::support::random::cases;
use crate::support::until;

const MODE: &str = "pullwarden.io/mode";
const COUNT: &str = "pullwarden.io/image-pull-failure-count";
const OF_C: &str = "image-pull-failure-count.pullwarden.io/c";

fn pod() -> Pod {
    Pod::bad("p")
}

fn range(least: u32, most: Option<u32>) -> CountRange {
    CountRange {
        least: NonZeroU32::new(least).unwrap(),
        most: most.and_then(NonZeroU32::new),
    }
}

fn allow(settings: &mut Settings) {
    settings.policy.scope.namespace_annotations = Some(range(1, None));
}

/// The namespace `default` was read, and has these annotations.
fn is_read(judge: &mut TestJudge, annotations: &[(&str, &str)]) {
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let view = NamespaceView {
        annotations: annotations.iter().map(text).collect(),
        ..NamespaceView::default()
    };
    let namespace = "default".to_owned();
    let known = BTreeMap::from([(namespace.clone(), view)]);
    judge.step(&Event::NamespaceRead { namespace, known }, at(0));
}

/// A judge that counts to 9 and allows defaults of these annotations.
fn by(annotations: &[(&str, &str)]) -> TestJudge {
    let mut judge = TestJudge::counting_to(9).configured(allow);
    is_read(&mut judge, annotations);
    judge
}

/// The failure after which a Pod is failed.
fn decides(mut judge: TestJudge, pod: &Pod) -> Option<u64> {
    (1..30).find(|n| decides_to_fail(&judge.fail(pod, NOT_FOUND, n * 30)))
}

#[test]
fn a_namespaces_count_is_a_default_for_its_pods() {
    assert_eq!(decides(by(&[(COUNT, "3")]), &pod()), Some(3));
    assert_eq!(decides(by(&[]), &pod()), Some(9));
    let own = pod().annotation(COUNT, "5");
    assert_eq!(decides(by(&[(COUNT, "3")]), &own), Some(5));
    let other = pod().namespace("other");
    let mut judge = by(&[(COUNT, "3")]);
    let verdicts = [1, 2, 3, 9].map(|n| judge.fail(&other, NOT_FOUND, n * 30));
    assert_eq!(verdicts.map(|v| decides_to_fail(&v)), [false; 4]);
}

#[test]
fn a_namespaces_count_of_a_container_is_for_containers_of_that_name() {
    let both = [(COUNT, "5"), (OF_C, "2")];
    assert_eq!(decides(by(&both), &pod()), Some(2));
    let other = Pod::new("q").container("c", "r.test/bad:1");
    assert_eq!(decides(by(&both), &other), Some(2));
    // Of the Pod's own wishes each comes first.
    let whole = pod().annotation(COUNT, "4");
    assert_eq!(decides(by(&both), &whole), Some(4));
    let own = pod().annotation(OF_C, "7");
    assert_eq!(decides(by(&both), &own), Some(7));
}

#[test]
fn without_permission_the_annotations_of_a_namespace_say_nothing() {
    let mut judge = TestJudge::counting_to(4);
    is_read(&mut judge, &[(COUNT, "1"), (MODE, "off")]);
    assert_eq!(decides(judge, &pod()), Some(4));
}

#[test]
fn a_count_out_of_range_counts_as_the_nearest_in_it() {
    for (asked, least, most, expected) in [
        ("1", 3, None, 3),
        ("2", 1, Some(5), 2),
        ("100", 1, Some(5), 5),
        ("4", 4, Some(4), 4),
    ] {
        let mut judge = TestJudge::counting_to(20).configured(|settings| {
            settings.policy.scope.namespace_annotations = Some(range(least, most));
        });
        is_read(&mut judge, &[(COUNT, asked)]);
        assert_eq!(decides(judge.clone(), &pod()), Some(expected), "{asked}");
        // The range is for namespaces: a Pod's author answers for one Pod only.
        let own = pod().annotation(COUNT, "1");
        assert_eq!(decides(judge, &own), Some(1));
    }
}

/// The effect of a failure in a namespace of this mode: `None` if nothing, else whether the Pod may be written to.
fn mode(node: NodeMode, namespace: &str, pod: &Pod) -> Option<bool> {
    let mut judge = TestJudge::counting_to(1).with_mode(node).configured(allow);
    is_read(&mut judge, &[(MODE, namespace)]);
    request(&judge.fail(pod, NOT_FOUND, 1)).map(|request| request.enforce)
}

#[test]
fn a_namespaces_mode_is_a_default_below_the_nodes() {
    for (namespace, observe, opt_in, enforce) in [
        ("enforce", Some(false), Some(true), Some(true)),
        ("observe", Some(false), Some(false), Some(false)),
        ("off", None, None, None),
        ("Enforce", Some(false), Some(false), Some(true)),
    ] {
        assert_eq!(mode(NodeMode::Observe, namespace, &pod()), observe);
        assert_eq!(mode(NodeMode::OptIn, namespace, &pod()), opt_in);
        assert_eq!(mode(NodeMode::Enforce, namespace, &pod()), enforce);
    }
    // A Pod's own mode comes first, in both directions.
    let asks = pod().annotation(MODE, "enforce");
    assert_eq!(mode(NodeMode::Enforce, "off", &asks), Some(true));
    let quiet = pod().annotation(MODE, "observe");
    assert_eq!(mode(NodeMode::Enforce, "enforce", &quiet), Some(false));
    let verdict = by(&[(MODE, "off")]).fail(&pod(), NOT_FOUND, 1);
    assert!(settles(&verdict, &Reason::NamespaceAnnotatedOff));
}

#[test]
fn a_default_brings_in_no_pod_that_did_not_ask() {
    let always = pod().restart("Always");
    for annotation in [(MODE, "enforce"), (COUNT, "1"), (OF_C, "1")] {
        let verdict = by(&[annotation]).fail(&always, NOT_FOUND, 1);
        let expected = Reason::RestartPolicyNotCovered(RestartPolicy::Always);
        assert!(settles(&verdict, &expected), "{verdict:?}");
    }
}

#[test]
fn until_the_namespace_is_read_nothing_is_decided_but_all_is_counted() {
    let mut judge = TestJudge::counting_to(1).configured(allow);
    let verdict = judge.fail(&pod(), NOT_FOUND, 1);
    assert_eq!(verdict.decision, Decision::Hold);
    assert_eq!(verdict.reasons.last().unwrap().brake(), Some("namespace"));
    is_read(&mut judge, &[(COUNT, "2")]);
    let verdict = judge.fail(&pod(), NOT_FOUND, 30);
    assert_eq!(request(&verdict).unwrap().failures, 2);
}

proptest! {
    #![proptest_config(cases(100))]

    /// Whatever is asked for, the nearest wish counts: the Pod's, the namespace's, the node's.
    #[test]
    fn the_nearest_wish_decides(
        pods in proptest::option::of(1_u32..9),
        namespaces in proptest::option::of(1_u32..20),
        node in 1_u32..9,
        least in 1_u32..9,
        above in proptest::option::of(0_u32..4),
    ) {
        let most = above.map(|above| least + above);
        let mut judge = TestJudge::counting_to(node).configured(|settings| {
            settings.policy.scope.namespace_annotations = Some(range(least, most));
        });
        let text = namespaces.map(|count| count.to_string());
        let annotations: Vec<_> = text.iter().map(|text| (COUNT, text.as_str())).collect();
        is_read(&mut judge, &annotations);
        let bounded = |count: u32| count.max(least).min(most.unwrap_or(u32::MAX));
        let expected = pods.or(namespaces.map(bounded)).unwrap_or(node);
        let pod = pods.into_iter().fold(pod(), |pod, count| pod.annotation(COUNT, &count.to_string()));
        prop_assert_eq!(decides(judge, &pod), Some(expected.into()));
    }
}

#[tokio::test]
async fn a_namespace_is_read_once_and_only_where_that_is_allowed() {
    for allowed in [true, false] {
        let mut node = Node::counting_to(9).await;
        if allowed {
            node.config.policy.scope.namespace_annotations = Some(range(2, None));
        }
        let annotations = json!({COUNT: "1", OF_C: "soon", "other": "x"});
        node.api.store().annotate("default", annotations);
        node.add(&pod());
        let agent = node.agent();
        agent.judges(&pod()).await;
        if allowed {
            node.asked(GetNamespace, 1).await;
            until("the notes are there", async || {
                agent.explain("default", "p").await.notes.len() == 2
            })
            .await;
        }
        node.fail_to(&agent, &pod(), 1).await;
        node.turns(3).await;
        assert!(node.api.writes().is_empty());
        node.fail_once(&pod());
        if allowed {
            node.asked(PatchPod, 1).await;
        } else {
            until("it is counted", async || agent.failures(&pod()).await == 2).await;
            assert!(node.api.writes().is_empty());
        }
        assert_eq!(node.api.count(GetNamespace), usize::from(allowed));
        assert_eq!((node.api.count(List), node.api.count(Watch)), (1, 1));
    }
}

#[tokio::test]
async fn a_namespace_is_not_read_again_before_the_api_server_asks_for() {
    let mut node = Node::counting_to(9).await;
    node.config.policy.scope.namespace_annotations = Some(range(2, None));
    node.api.at(GetNamespace, 1, Act::RefuseFor(429, 50));
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.asked(GetNamespace, 1).await;
    node.turns(3).await;
    node.advance(Duration::from_secs(49));
    node.turns(3).await;
    assert_eq!(node.api.count(GetNamespace), 1);
    node.advance(Duration::from_secs(30));
    node.asked(GetNamespace, 2).await;
}

#[tokio::test]
async fn explain_tells_what_is_ignored_of_the_namespace() {
    let mut node = Node::counting_to(9).await;
    node.config.policy.scope.namespace_annotations = Some(range(3, None));
    let annotations = json!({COUNT: "1", MODE: "loud"});
    node.api.store().annotate("default", annotations);
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    let notes = async || agent.explain("default", "p").await.notes;
    until("the namespace is read", async || !notes().await.is_empty()).await;
    let expected = [
        format!("ignored, on the Namespace: {MODE}: \"loud\" is not off, observe or enforce"),
        format!("on the Namespace, {COUNT}: 1 counts as 3, by the configuration"),
    ];
    assert_eq!(notes().await, expected);
}
