//! `action: delete` and Argo's Workflows, which make a deleted Pod again without end.

use pullwarden::judge::{Action, NodeMode, Outcome, Reason, still_due};

use crate::support::judge::{TestJudge, at, decides_to_fail, request};
use crate::support::node::Node;
use crate::support::pod::{NOT_FOUND, Pod};
use crate::support::until;

fn step() -> Pod {
    Pod::bad("p").workflow("w")
}

fn deleting() -> TestJudge {
    TestJudge::counting_to(1).configured(|settings| settings.policy.action = Action::Delete)
}

fn is_workflow(reason: &Reason) -> bool {
    reason.brake() == Some("workflow")
}

#[test]
fn a_workflows_pod_is_not_deleted() {
    for mode in [NodeMode::Enforce, NodeMode::Observe] {
        let mut judge = deleting().with_mode(mode);
        for second in [0, 600, 90_000] {
            let verdict = judge.fail(&step(), NOT_FOUND, second);
            assert!(!decides_to_fail(&verdict), "{verdict:?}");
            assert!(verdict.reasons.iter().any(is_workflow), "{verdict:?}");
        }
    }
}

#[test]
fn other_pods_are_deleted_and_a_workflows_pod_is_failed() {
    for pod in [Pod::bad("p"), Pod::bad("p").owner("job")] {
        assert!(decides_to_fail(&deleting().fail(&pod, NOT_FOUND, 0)));
    }
    let mut judge = TestJudge::counting_to(1);
    assert!(decides_to_fail(&judge.fail(&step(), NOT_FOUND, 0)));
}

#[test]
fn the_next_failure_after_a_change_of_the_action_decides() {
    let mut judge = deleting();
    judge.fail(&step(), NOT_FOUND, 0);
    judge.configure(|settings| settings.policy.action = Action::Fail);
    judge.see(step().pausing(NOT_FOUND), 5);
    assert!(decides_to_fail(&judge.fail(&step(), NOT_FOUND, 30)));
}

#[test]
fn a_reason_that_stands_is_decided_once_the_action_has_changed() {
    let mut judge = deleting().with_outcome(None);
    let stands = || step().waiting("c", "InvalidImageName", "");
    judge.see(stands(), 0);
    let held = judge.see(stands(), 60);
    assert!(held.reasons.iter().any(is_workflow), "{held:?}");
    assert_eq!(held.next_by_clock(at(60)), None);
    judge.configure(|settings| settings.policy.action = Action::Fail);
    // There is a request, which can end.
    judge.end_report(Outcome::Written);
}

/// The action may change between the verdict and the write.
#[test]
fn the_last_check_spares_it_too() {
    let verdict = TestJudge::counting_to(1).fail(&step(), NOT_FOUND, 0);
    let view = step().failing(NOT_FOUND).view();
    let spared = still_due(request(&verdict).unwrap(), deleting().policy(), &view);
    assert!(is_workflow(&spared.unwrap_err()));
}

#[tokio::test]
async fn explain_says_why_nothing_is_written() {
    let mut node = Node::counting_to(1).await;
    node.config.policy.action = Action::Delete;
    node.add(&step());
    let agent = node.agent();
    agent.judges(&step()).await;
    node.fail_once(&step());
    let why = "a Workflow would make the deleted Pod again without end: set action: fail";
    until("the verdict is held", async || {
        let explained = agent.explain("default", "p").await;
        let held = explained
            .reasons
            .iter()
            .any(|reason| reason.brake.as_deref() == Some("workflow") && reason.text == why);
        let next = "after a change of the configuration decides";
        held && explained.next.iter().any(|step| step.text.contains(next))
    })
    .await;
    node.turns(3).await;
    assert!(node.api.writes().is_empty());
}
