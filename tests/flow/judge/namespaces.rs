//! Less is done in some namespaces: by name, or by labels that are asked for only where they matter.

use pullwarden::view::Decided;

use std::collections::BTreeMap;
use std::time::Duration;

use pullwarden::judge::{
    Decision, Event, NamespaceRule, NamespaceView, NodeMode, PodMode, Reason, Requirement, Selector,
};
use serde_json::json;

use crate::support::apiserver::Act;
use crate::support::apiserver::Kind::{Get, GetNamespace, List, PatchPod, Watch};
use crate::support::judge::{TestJudge, at, decides_to_fail, request, settles};
use crate::support::node::Node;
use crate::support::pod::{NOT_FOUND, Pod};
use crate::support::until;

fn pod() -> Pod {
    Pod::bad("p")
}

fn named(name: &str, mode: PodMode) -> NamespaceRule {
    NamespaceRule {
        names: [name.to_owned()].into(),
        selector: None,
        mode,
    }
}

fn labelled(key: &str, value: &str, mode: PodMode) -> NamespaceRule {
    let requirement = Requirement::In(key.to_owned(), [value.to_owned()].into());
    NamespaceRule {
        names: Default::default(),
        selector: Some(Selector(vec![requirement])),
        mode,
    }
}

/// A judge that counts to `count`, with these rules for namespaces.
fn by_rules(count: u32, rules: impl Into<Vec<NamespaceRule>>) -> TestJudge {
    let rules = rules.into();
    let judge = TestJudge::counting_to(count);
    judge.configured(|settings| settings.policy.scope.namespaces = rules)
}

#[test]
fn by_name_the_mode_is_lowered_and_never_raised() {
    let mut judge = by_rules(1, [named("default", PodMode::Observe)]);
    let verdict = judge.fail(&pod(), NOT_FOUND, 1);
    assert!(!request(&verdict).unwrap().enforce);
    let asks = Pod::bad("q").annotation("pullwarden.io/mode", "enforce");
    assert!(!request(&judge.fail(&asks, NOT_FOUND, 1)).unwrap().enforce);
    let other = Pod::bad("r").namespace("other");
    assert!(request(&judge.fail(&other, NOT_FOUND, 1)).unwrap().enforce);
}

#[test]
fn of_several_rules_the_lowest_mode_counts() {
    let modes = [PodMode::Off, PodMode::Observe];
    let mut judge = by_rules(1, modes.map(|mode| named("default", mode)));
    let verdict = judge.fail(&pod(), NOT_FOUND, 1);
    assert!(settles(&verdict, &Reason::NamespaceSwitchedOff));
}

#[test]
fn while_the_labels_are_not_known_nothing_is_decided_but_all_is_counted() {
    let mut judge = by_rules(2, [labelled("env", "prod", PodMode::Observe)]);
    judge.fail(&pod(), NOT_FOUND, 1);
    let verdict = judge.fail(&pod(), NOT_FOUND, 30);
    assert_eq!(verdict.decision, Decision::Hold);
    assert_eq!(verdict.reasons.last().unwrap().brake(), Some("namespace"));
    let labels = BTreeMap::from([("env".to_owned(), "test".to_owned())]);
    let namespace = "default".to_owned();
    let view = NamespaceView {
        labels,
        ..NamespaceView::default()
    };
    let known = BTreeMap::from([(namespace.clone(), view)]);
    judge.step(&Event::NamespaceRead { namespace, known }, at(30));
    assert!(
        !decides_to_fail(&judge.see(pod().pausing(NOT_FOUND), 31)),
        "the next failure decides"
    );
    let verdict = judge.fail(&pod(), NOT_FOUND, 60);
    assert!(request(&verdict).unwrap().enforce);
    assert_eq!(request(&verdict).unwrap().failures, 3);
}

#[tokio::test]
async fn labels_are_asked_for_once_and_only_where_a_rule_goes_by_them() {
    let mut node = Node::counting_to(1).await;
    node.config.policy.scope.namespaces = vec![labelled("env", "prod", PodMode::Off)];
    node.api.store().label("default", json!({"env": "prod"}));
    node.api.store().label("other", json!({"env": "test"}));
    let other = Pod::bad("q").namespace("other");
    node.add(&pod());
    node.add(&other);
    node.api
        .store()
        .put(&Pod::bad("dns").namespace("kube-system"));
    let agent = node.agent();
    agent.judges(&other).await;
    // The one whose namespace is switched off is looked away from.
    agent.drops(&pod()).await;
    until("both namespaces were asked for", async || {
        node.api.count(GetNamespace) == 2
    })
    .await;
    node.fail_once(&pod());
    node.fail_once(&other);
    node.asked(PatchPod, 1).await;
    node.turns(3).await;
    let asked = node.api.log();
    let of = |kind| asked.iter().filter(move |request| request.kind == kind);
    assert_eq!(of(GetNamespace).count(), 2);
    assert_eq!(
        of(Get).count(),
        1,
        "the last look at the one that is failed"
    );
    assert!(of(PatchPod).all(|request| request.path.contains("/other/")));
    assert_eq!((of(List).count(), of(Watch).count()), (1, 1));
}

#[tokio::test]
async fn labels_that_cannot_be_read_hold_the_verdict() {
    let mut node = Node::counting_to(1).await;
    node.config.policy.scope.namespaces = vec![labelled("env", "prod", PodMode::Off)];
    node.api
        .refuse_from(GetNamespace, 1, 403, "namespaces is forbidden");
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    until("the verdict is held", async || {
        let status = agent.status().await;
        status.pods.iter().any(|p| p.decision == Decided::Hold)
    })
    .await;
    assert!(node.api.writes().is_empty());
}

/// A proxy may answer 404 to anything. It does not take labels away.
#[tokio::test]
async fn a_404_of_something_else_is_not_the_namespace() {
    let mut node = Node::counting_to(1).await;
    node.config.policy.scope.namespaces = vec![labelled("env", "prod", PodMode::Off)];
    node.api.store().label("default", json!({"env": "prod"}));
    let page = Act::RefuseWith(json!({"code": 404, "message": "404 page not found"}));
    node.api.at(GetNamespace, 1, page);
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.asked(GetNamespace, 1).await;
    node.turns(3).await;
    node.fail_once(&pod());
    // Until the namespace itself is read, the verdict waits; then the Pod is out of scope.
    until("it is out of scope", async || {
        node.advance(Duration::from_secs(20));
        node.turns(1).await;
        agent.status().await.pods.is_empty()
    })
    .await;
    assert!(node.api.count(GetNamespace) >= 2);
    assert!(node.api.writes().is_empty());
}

/// Whoever edits a namespace chooses how large its labels are.
#[tokio::test]
async fn labels_of_a_megabyte_hold_the_verdict_and_are_not_kept() {
    let (node, pod) = standing().await;
    let many: serde_json::Map<_, _> = (0..20_000)
        .map(|n| (format!("example.test/{n}"), json!("v".repeat(40))))
        .collect();
    node.api.store().label("default", many.into());
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    for _ in 0..40 {
        node.advance(Duration::from_secs(20));
        node.turns(2).await;
    }
    assert!(node.api.count(GetNamespace) >= 2);
    assert!(node.api.writes().is_empty());
    let log = std::fs::metadata(node.config.startup.log_dir.join("pulls.jsonl"));
    assert!(log.unwrap().len() < 64 * 1024);
    // They are few again.
    node.api.store().label("default", json!({"env": "test"}));
    is_failed(&node).await;
}

/// A node with a rule that goes by labels, and a Pod whose reason stands.
async fn standing() -> (Node, Pod) {
    let mut node = Node::observing().await;
    node.config.policy.mode = NodeMode::Enforce;
    node.config.policy.scope.namespaces = vec![labelled("env", "prod", PodMode::Off)];
    (node, pod().waiting("c", "InvalidImageName", "x"))
}

/// Time goes on until the Pod is failed.
async fn is_failed(node: &Node) {
    until("it is failed", async || {
        node.advance(Duration::from_secs(20));
        node.turns(1).await;
        node.api.count(PatchPod) == 1
    })
    .await;
}

#[tokio::test]
async fn labels_that_could_not_be_read_are_asked_for_again() {
    let (node, pod) = standing().await;
    let busy = Act::Refuse(503, "busy");
    node.api.at(GetNamespace, 1, busy);
    node.add(&pod);
    let _agent = node.agent();
    is_failed(&node).await;
    assert!(node.api.count(GetNamespace) >= 2);
}

#[tokio::test]
async fn the_labels_of_another_namespace_change_nothing() {
    let (node, pod) = standing().await;
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    node.asked(GetNamespace, 1).await;
    // From now on nobody can say what its labels are; those that are known hold.
    for nth in 3..40 {
        let busy = Act::Refuse(503, "busy");
        node.api.at(GetNamespace, nth, busy);
    }
    let other = Pod::bad("q").namespace("other");
    node.add(&other);
    agent.judges(&other).await;
    node.asked(GetNamespace, 2).await;
    node.advance(Duration::from_secs(310));
    node.remove(&other);
    agent.drops(&other).await;
    is_failed(&node).await;
}
