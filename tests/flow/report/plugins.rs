//! An admission plugin refuses or changes the second write: who it is, and how often the conditions change.

use std::time::Duration;

use pullwarden::judge::Action;
use pullwarden::report::ALTERED;
use serde_json::{Value, json};

use crate::support::apiserver::Act;
use crate::support::apiserver::Kind::{
    DeletePod, PatchPod, PatchStatus, PostEvent, TryDelete, TryPatch,
};
use crate::support::node::{Agent, Node};
use crate::support::pod::{NOT_FOUND, Pod};
use crate::support::race::{Race, pod};
use crate::support::until;

const POLICY: &str = "pods \"p\" is forbidden: ValidatingAdmissionPolicy 'no-deadlines' with binding 'b' denied request: no";
const WEBHOOK: &str = "admission webhook \"validate.kyverno.svc-fail\" denied the request: no";
const ADDS_A_LABEL: &str = "pods \"p\" is forbidden: ValidatingAdmissionPolicy 'pullwarden-pods' with binding 'pullwarden-pods' denied request: pullwarden.io/altered: label a.example/team: labels must stay as they are";

/// The kubelet reports one more failed pull, so much later.
fn fails_again(node: &Node, pod: &Pod, later: Duration) {
    node.report(&pod.clone().pausing(NOT_FOUND));
    node.advance(later);
    node.fail_once(pod);
}

const SIX_MINUTES: Duration = Duration::from_secs(360);

async fn until_held(agent: &Agent) -> Value {
    until("it is held", async || {
        agent.status().await.held.contains_key("denied-write")
    })
    .await;
    serde_json::to_value(agent.status().await).unwrap()
}

#[tokio::test]
async fn a_plugin_that_refuses_is_named_and_the_condition_changes_once() {
    for (denial, named) in [
        (
            POLICY,
            "ValidatingAdmissionPolicy \"no-deadlines\" refuses the write",
        ),
        (
            WEBHOOK,
            "admission webhook \"validate.kyverno.svc-fail\" refuses the write",
        ),
        (
            ADDS_A_LABEL,
            "another admission plugin changes label a.example/team in the agent's write",
        ),
    ] {
        let race = Race::start().await;
        race.node.api.at(PatchPod, 1, Act::Refuse(403, denial));
        race.node.api.at(TryPatch, 1, Act::Refuse(403, denial));
        race.ends("denied").await;
        race.wrote(&[PatchStatus, PatchPod, PatchStatus]);
        assert_eq!(race.condition(), "False");
        let report = |times: usize| {
            let lines = race.node.lines().into_iter();
            let mut reports = lines.filter(|line| line["kind"] == "report");
            reports.nth(times - 1).unwrap()
        };
        assert_eq!(report(1)["refusal"], named);

        // Too soon: it waits, and says for whom.
        fails_again(&race.node, &pod(), Duration::from_secs(200));
        let status = until_held(&race.agent).await;
        let reasons = status["pods"][0]["reasons"].to_string();
        let quoted = json!(named).to_string();
        assert!(reasons.contains(quoted.trim_matches('"')), "{reasons}");
        let explained = race.agent.explain("default", "p").await;
        let explained = serde_json::to_string(&explained.reasons).unwrap();
        assert!(explained.contains(quoted.trim_matches('"')), "{explained}");
        assert_eq!(race.node.api.count(TryPatch), 0);

        // Later the second write is tried without effect, and nothing is changed.
        fails_again(&race.node, &pod(), Duration::from_secs(200));
        race.ends_again(2, "denied").await;
        assert_eq!(report(2)["refusal"], named);
        assert_eq!(race.node.api.count(TryPatch), 1);
        race.wrote(&[PatchStatus, PatchPod, PatchStatus]);

        // By the same plugin again: it waits for twice as long.
        fails_again(&race.node, &pod(), SIX_MINUTES);
        until_held(&race.agent).await;
        assert_eq!(race.node.api.count(TryPatch), 1);

        // The plugin is gone.
        fails_again(&race.node, &pod(), SIX_MINUTES);
        race.ends_again(3, "written").await;
        race.wrote(&[
            PatchStatus,
            PatchPod,
            PatchStatus,
            PatchStatus,
            PatchPod,
            PostEvent,
        ]);
        assert_eq!(
            (race.condition(), race.deadline()),
            ("True".into(), 1.into())
        );
    }
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_changes_the_condition_once() {
    let race = Race::start().await;
    let away = "Internal error occurred: failed calling webhook \"w.example\": failed to call webhook: Post \"https://w.example\": dial tcp: connection refused";
    race.node.api.refuse_from(PatchPod, 1, 500, away);
    race.node.api.refuse_from(TryPatch, 1, 500, away);
    race.ends("denied").await;
    let flipped = race.node.api.count(PatchStatus);
    assert_eq!((flipped, race.condition()), (2, json!("False")));
    for times in 2..=3 {
        fails_again(&race.node, &pod(), SIX_MINUTES * 2);
        race.ends_again(times, "denied").await;
    }
    let lines = race.node.lines().into_iter();
    let mut reports = lines.filter(|line| line["kind"] == "report");
    let away = "admission webhook \"w.example\" does not answer";
    assert!(reports.all(|line| line["refusal"] == away));
    assert_eq!(race.node.api.count(PatchStatus), flipped);
}

#[tokio::test]
async fn another_pod_is_tried_first_and_its_condition_never_changes() {
    let race = Race::start().await;
    race.node.api.refuse_from(PatchPod, 1, 403, WEBHOOK);
    race.node.api.refuse_from(TryPatch, 1, 403, WEBHOOK);
    race.ends("denied").await;
    let wrote = race.node.api.writes();
    let other = Pod::bad("q");
    race.node.add(&other);
    race.agent.judges(&other).await;
    race.node.fail_once(&other);
    race.ends_again(2, "denied").await;
    assert_eq!(race.node.api.count(TryPatch), 1);
    race.wrote(&wrote);
    let store = race.node.api.store();
    let conditions = store.pod("q").unwrap()["status"]["conditions"].to_string();
    assert!(!conditions.contains("pullwarden.io"), "{conditions}");
}

#[tokio::test]
async fn a_deletion_that_is_refused_is_tried_without_effect_too() {
    let mut node = Node::counting_to(1).await;
    node.config.policy.action = Action::Delete;
    node.api.at(DeletePod, 1, Act::Refuse(403, WEBHOOK));
    node.api.at(TryDelete, 1, Act::Refuse(403, WEBHOOK));
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    until_reports(&node, 1).await;
    fails_again(&node, &pod(), SIX_MINUTES);
    until_reports(&node, 2).await;
    assert_eq!(node.api.writes(), [PatchStatus, DeletePod, PatchStatus]);
    fails_again(&node, &pod(), SIX_MINUTES * 2);
    node.asked(DeletePod, 2).await;
    assert_eq!(node.api.count(TryDelete), 2);
}

async fn until_reports(node: &Node, times: usize) {
    until("the reports have ended", async || {
        let lines = node.lines().into_iter();
        lines.filter(|line| line["kind"] == "report").count() == times
    })
    .await;
}

/// Whoever changes the agent's settings may have changed the plugin's as well.
#[tokio::test]
async fn other_settings_end_the_wait() {
    let node = Node::observing().await;
    node.api.at(PatchPod, 1, Act::Refuse(403, POLICY));
    let file = node.path().join("config.yaml");
    let settings = "mode: enforce\nwarmUp: 0s\nimagePullFailureCount: 1\n";
    std::fs::write(&file, settings).unwrap();
    node.add(&pod());
    let agent = node.agent_of(&file);
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    until_reports(&node, 1).await;
    fails_again(&node, &pod(), Duration::from_secs(10));
    until_held(&agent).await;
    std::fs::write(&file, format!("{settings}budget: {{pods: 7}}\n")).unwrap();
    until("the settings are in force", async || {
        agent.status().await.budget == 7
    })
    .await;
    // The agent reads the Pods afresh, and the first report counts nothing.
    node.report(&pod().pausing(NOT_FOUND));
    node.turns(3).await;
    node.fail_once(&pod());
    node.asked(PatchPod, 2).await;
    assert_eq!(node.api.count(TryPatch), 1);
}

#[test]
fn the_policy_denies_what_others_have_changed_with_the_code_that_the_agent_knows() {
    let policy = include_str!("../../../deploy/base/policy.yaml");
    let codes = policy.matches(&format!("\"{ALTERED}: ")).count();
    // A label and an annotation, each with a name and without.
    assert_eq!(codes, 4, "{ALTERED}");
}
