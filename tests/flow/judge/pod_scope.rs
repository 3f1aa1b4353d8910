//! Pods in scope, by their labels and by the kind of their controller. All others are only observed.

use std::collections::BTreeMap;

use proptest::prelude::*;
use pullwarden::config::Config;
use pullwarden::judge::{NodeMode, PodRule, Requirement, Selector};
use serde_json::json;

use crate::support::apiserver::Kind::{PatchPod, PostEvent};
use crate::support::judge::{TestJudge, request};
use crate::support::node::Node;
use crate::support::pod::{NOT_FOUND, Pod};
use crate::support::random::cases;

fn pod() -> Pod {
    Pod::bad("p")
}

fn kinds(kinds: &[&str]) -> PodRule {
    PodRule {
        owner_kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        ..PodRule::default()
    }
}

fn labelled(key: &str, value: &str) -> PodRule {
    let requirement = Requirement::In(key.to_owned(), [value.to_owned()].into());
    PodRule {
        selector: Some(Selector(vec![requirement])),
        ..PodRule::default()
    }
}

/// True if a Pod may be written to at its first failure, by these rules.
#[track_caller]
fn enforces(rules: &[PodRule], pod: &Pod) -> bool {
    let rules = rules.to_vec();
    let mut judge =
        TestJudge::counting_to(1).configured(|settings| settings.policy.scope.pods = rules);
    let verdict = judge.fail(pod, NOT_FOUND, 1);
    request(&verdict).expect("it is announced at least").enforce
}

#[test]
fn without_rules_every_pod_is_in_scope() {
    assert!(enforces(&[], &pod()));
}

#[test]
fn a_pod_with_the_label_is_in_scope_and_another_is_observed() {
    let rules = [labelled("team", "a")];
    assert!(enforces(&rules, &pod().label("team", "a")));
    for other in [pod(), pod().label("team", "b"), pod().label("TEAM", "a")] {
        assert!(!enforces(&rules, &other), "{:?}", other.0["metadata"]);
    }
}

#[test]
fn a_pod_is_in_scope_by_the_kind_of_its_controller() {
    let rules = [kinds(&["Job", "none"])];
    assert!(enforces(&rules, &pod().controlled_by("Job")));
    assert!(enforces(&rules, &pod()));
    assert!(!enforces(&rules, &pod().controlled_by("ReplicaSet")));
    assert!(!enforces(&rules, &pod().controlled_by("job")));
    assert!(!enforces(&[kinds(&["Job"])], &pod()));
}

#[test]
fn one_rule_is_enough_and_all_of_it_must_be_met() {
    let both = PodRule {
        owner_kinds: ["Job".to_owned()].into(),
        ..labelled("team", "a")
    };
    let rules = [both, labelled("gpu", "yes")];
    assert!(enforces(
        &rules,
        &pod().controlled_by("Job").label("team", "a")
    ));
    assert!(enforces(&rules, &pod().label("gpu", "yes")));
    assert!(!enforces(&rules, &pod().controlled_by("Job")));
    assert!(!enforces(&rules, &pod().label("team", "a")));
}

#[test]
fn no_annotation_brings_a_pod_into_scope() {
    let asks = pod()
        .annotation("pullwarden.io/mode", "enforce")
        .annotation("pullwarden.io/image-pull-failure-count", "1");
    assert!(!enforces(&[kinds(&["Job"])], &asks));
    let judge = TestJudge::counting_to(1).with_mode(NodeMode::OptIn);
    let mut judge = judge.configured(|settings| settings.policy.scope.pods = vec![kinds(&["Job"])]);
    let verdict = judge.fail(&asks, NOT_FOUND, 1);
    assert!(!request(&verdict).unwrap().enforce);
}

#[test]
fn a_label_that_is_taken_away_meanwhile_spares_the_pod() {
    let rule = labelled("team", "a");
    let mut judge =
        TestJudge::counting_to(2).configured(|settings| settings.policy.scope.pods = vec![rule]);
    judge.fail(&pod().label("team", "a"), NOT_FOUND, 1);
    let verdict = judge.fail(&pod(), NOT_FOUND, 30);
    assert!(!request(&verdict).unwrap().enforce);
}

#[test]
fn the_configuration_reads_and_writes_the_rules() {
    let rules = json!([
        {"selector": {"matchLabels": {"team": "a"}, "matchExpressions": [
            {"key": "gpu", "operator": "Exists"},
            {"key": "env", "operator": "NotIn", "values": ["prod"]},
        ]}},
        {"ownerKinds": ["Job", "none"]},
    ]);
    let config = Config::judged_by(json!({"scope": {"pods": rules}})).unwrap();
    let written = config.judging();
    assert_eq!(Config::judged_by(written).unwrap().policy, config.policy);
    let covers = |pod: &Pod| config.policy.scope.pods[0].covers(&pod.view());
    let team = pod().label("team", "a");
    assert!(covers(&team.clone().label("gpu", "")));
    assert!(!covers(&team.clone()));
    assert!(!covers(&team.label("gpu", "").label("env", "prod")));
    for (rule, problem) in [
        (json!({}), "has neither a selector nor ownerKinds"),
        (json!({"ownerKinds": []}), "has an empty list of ownerKinds"),
        (json!({"selector": {}}), "the selector requires nothing"),
        (json!({"mode": "off"}), "unknown field `mode`"),
    ] {
        let faults = Config::judged_by(json!({"scope": {"pods": [rule]}})).unwrap_err();
        let text = faults.to_string();
        assert!(
            text.contains("scope.pods[0]") && text.contains(problem),
            "{text}"
        );
    }
}

const KEYS: [&str; 3] = ["a", "b", "c"];

fn requirement() -> impl Strategy<Value = Requirement> {
    let key = proptest::sample::select(&KEYS[..]).prop_map(str::to_owned);
    let values = proptest::collection::btree_set("[xyz]", 1..3);
    (key, values, 0_u8..4).prop_map(|(key, values, operator)| match operator {
        0 => Requirement::In(key, values),
        1 => Requirement::NotIn(key, values),
        2 => Requirement::Exists(key),
        _ => Requirement::DoesNotExist(key),
    })
}

/// The same question by the words of Kubernetes' documentation.
fn meets(requirement: &Requirement, labels: &BTreeMap<String, String>) -> bool {
    let value = |key: &str| labels.get(key);
    match requirement {
        Requirement::In(key, values) => values.iter().any(|v| value(key) == Some(v)),
        Requirement::NotIn(key, values) => values.iter().all(|v| value(key) != Some(v)),
        Requirement::Exists(key) => value(key).is_some(),
        Requirement::DoesNotExist(key) => value(key).is_none(),
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// A Pod is written to if, and only if, it meets all of one rule.
    #[test]
    fn a_pod_is_failed_only_in_scope(
        rules in proptest::collection::vec(
            (proptest::option::of(proptest::collection::vec(requirement(), 1..3)), proptest::option::of(0_usize..3)),
            0..3,
        ),
        labels in proptest::collection::btree_map("[abc]", "[xyz]", 0..3),
        kind in 0_usize..3,
    ) {
        let kind_of = |n: usize| ["none", "Job", "ReplicaSet"][n];
        let written: Vec<PodRule> = rules.iter().map(|(requirements, kind)| PodRule {
            selector: requirements.clone().map(Selector),
            owner_kinds: kind.iter().map(|n| kind_of(*n).to_owned()).collect(),
        }).collect();
        let mut pod = pod();
        if kind > 0 {
            pod = pod.controlled_by(kind_of(kind));
        }
        for (key, value) in &labels {
            pod = pod.label(key, value);
        }
        let expected = rules.is_empty() || rules.iter().any(|(requirements, of)| {
            requirements.iter().flatten().all(|requirement| meets(requirement, &labels))
                && of.is_none_or(|of| of == kind)
        });
        prop_assert_eq!(enforces(&written, &pod), expected);
    }
}

#[tokio::test]
async fn a_pod_out_of_scope_gets_an_event_and_no_write() {
    let mut node = Node::counting_to(2).await;
    node.config.policy.scope.pods = vec![labelled("team", "a")];
    let (inside, outside) = (Pod::bad("inside").label("team", "a"), Pod::bad("outside"));
    node.add(&inside);
    node.add(&outside);
    let agent = node.agent();
    for pod in [&outside, &inside] {
        agent.judges(pod).await;
        node.fail_to(&agent, pod, 1).await;
    }
    let explained = agent.explain("default", "outside").await;
    let why = "observed only: the Pod is out of scope: no rule of scope.pods names it";
    assert_eq!(explained.notes, [why]);
    assert!(agent.explain("default", "inside").await.notes.is_empty());
    node.fail_once(&outside);
    node.asked(PostEvent, 1).await;
    assert_eq!(
        node.api.bodies(PostEvent)[0]["reason"],
        "ImagePullWouldFail"
    );
    assert!(node.api.bodies(PatchPod).is_empty());
    node.fail_once(&inside);
    node.asked(PatchPod, 1).await;
    node.turns(2).await;
    assert_eq!(node.api.count(PatchPod), 1);
}
