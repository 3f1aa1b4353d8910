//! Replay: by the policy that was in force it comes to what was decided, by others to what differs. That holds for the log of every agent of these
//! tests (`support/node_log.rs`); here is what else it says.

use std::path::Path;
use std::time::Duration;

use pullwarden::config::Config;
use pullwarden::judge::{Moment, NodeMode, Outcome};
use pullwarden::replay::{Decision, Fate, Finding, Row};

use crate::support::judge::at;
use crate::support::node::Node;
use crate::support::node_log::{self, Replayed};
use crate::support::pod::{GOOD, NOT_FOUND, Pod};
use crate::support::recorder::{self, Recorder};
use crate::support::until;

/// An observing agent that counts to three.
pub fn observing(dir: &Path) -> Recorder {
    let mut config = recorder::config(NodeMode::Observe);
    config.policy.failure_count = std::num::NonZeroU32::new(3);
    Recorder::start(config, dir)
}

/// Policies, each by a name and its text.
fn policies(texts: &[(&str, &str)]) -> Vec<(String, Config)> {
    let dir = tempfile::tempdir().unwrap();
    let policy = |(name, text): &(&str, &str)| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        ((*name).to_owned(), Config::to_judge_by(&file).unwrap())
    };
    texts.iter().map(policy).collect()
}

pub const HASTY: (&str, &str) = (
    "hasty",
    "mode: enforce\nimagePullFailureCount: 1\nwarmUp: 0s\n",
);
pub const PATIENT: (&str, &str) = (
    "patient",
    "mode: enforce\nimagePullFailureCount: 9\nwarmUp: 0s\n",
);

/// The Pod fails, and then waits for its next try.
pub fn fail(recorder: &mut Recorder, pod: &Pod, second: u64) {
    recorder.see(&pod.clone().failing(NOT_FOUND).view(), at(second));
    recorder.see(&pod.clone().pausing(NOT_FOUND).view(), at(second + 10));
}

pub fn end(recorder: &mut Recorder, outcome: Outcome, second: u64) {
    recorder.end_report(0, outcome, false, at(second));
}

pub fn replay(dir: &Path, others: &[(&str, &str)]) -> Replayed {
    node_log::replay(&node_log::files(dir), &policies(others))
}

fn row<'a>(replayed: &'a Replayed, pod: &str) -> &'a Row {
    let mut rows = replayed.rows.iter().filter(|row| row.pod == pod);
    let row = rows
        .next()
        .unwrap_or_else(|| panic!("{pod}: {replayed:#?}"));
    assert!(rows.next().is_none());
    row
}

/// What a policy has decided on the Pod, in which second, and whether it was wrong.
fn found(row: &Row, policy: &str) -> (Decision, Option<u64>, Option<bool>) {
    let finding: &Finding = row.policies.iter().find(|f| f.policy == policy).unwrap();
    let since = |time: jiff::Timestamp| {
        let start: jiff::Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
        u64::try_from(time.duration_since(start).as_secs()).unwrap()
    };
    (finding.decision, finding.time.map(since), finding.wrong)
}

#[test]
fn with_another_policy_the_differences_are_listed_and_a_wrong_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = observing(dir.path());
    let [heals, goes, blinks] = ["heals", "goes", "blinks"].map(Pod::bad);
    for (pod, from) in [(&heals, 100), (&goes, 1000)] {
        for nth in 0..3 {
            fail(&mut recorder, pod, from + 60 * nth);
        }
        end(&mut recorder, Outcome::Due, from + 131);
    }
    // Fails once, and is pulled.
    fail(&mut recorder, &blinks, 2000);
    let runs = |pod: &Pod| pod.clone().running("c").phase("Running").view();
    recorder.see(&runs(&blinks), at(2030));
    recorder.see(&runs(&heals), at(2040));
    let ends = goes.clone().phase("Failed").view();
    recorder.leave(goes.has_uid(), Some(&ends), at(2050));
    recorder.holds(dir.path());

    let replayed = replay(dir.path(), &[HASTY, PATIENT]);
    let row_of = |pod: &Pod| row(&replayed, pod.name());
    for (pod, fate, recorded, hasty) in [
        (
            &heals,
            Fate::Started,
            (Decision::WouldFail, Some(220), Some(true)),
            (Decision::Failed, Some(100), Some(true)),
        ),
        (
            &goes,
            Fate::Ended,
            (Decision::WouldFail, Some(1120), Some(false)),
            (Decision::Failed, Some(1000), Some(false)),
        ),
        (
            &blinks,
            Fate::Started,
            (Decision::Waited, None, Some(false)),
            (Decision::Failed, Some(2000), Some(true)),
        ),
    ] {
        let row = row_of(pod);
        let waited = (Decision::Waited, None, Some(false));
        assert_eq!((row.fate, row.differs), (fate, true), "{row:?}");
        assert_eq!(found(row, "recorded"), recorded, "{row:?}");
        assert_eq!(found(row, "hasty"), hasty, "{row:?}");
        assert_eq!(found(row, "patient"), waited, "{row:?}");
    }
    let [recorded, hasty, patient] = &replayed.tallies[..] else {
        panic!("{:?}", replayed.tallies)
    };
    let sums = |t: &pullwarden::replay::Tally| (t.pods, t.failed, t.would_fail, t.wrong, t.waited);
    assert_eq!(sums(recorded), (3, 0, 2, 1, 1));
    assert_eq!(sums(hasty), (3, 3, 0, 2, 0));
    assert_eq!(sums(patient), (3, 0, 0, 0, 3));
    assert_eq!(recorded.failures, 7);
}

#[test]
fn registries_behind_a_mirror_are_another_policys_too() {
    const MIRRORED: (&str, &str) = (
        "mirrored",
        "mode: enforce\nimagePullFailureCount: 3\nwarmUp: 0s\nbehindMirror: [r.test]\n",
    );
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = observing(dir.path());
    let pod = Pod::bad("p");
    for nth in 0..5 {
        fail(&mut recorder, &pod, 100 + 60 * nth);
        if nth == 2 {
            end(&mut recorder, Outcome::Due, 100 + 60 * nth + 1);
        }
    }
    let replayed = replay(dir.path(), &[HASTY, MIRRORED]);
    let row = row(&replayed, "p");
    assert_eq!(found(row, "recorded").0, Decision::WouldFail);
    assert_eq!(found(row, "hasty").0, Decision::Failed);
    assert_eq!(found(row, "mirrored").0, Decision::Waited);
}

#[test]
fn brakes_and_sparing_are_another_policys_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = observing(dir.path());
    let pods = ["a", "b", "c"].map(Pod::bad);
    for pod in &pods {
        fail(&mut recorder, pod, 100);
    }
    // Another spelling of the same image comes to the node: whoever fails from it then is spared once.
    recorder.arrive("r.test/bad:1", Some(at(130)), at(130));
    fail(&mut recorder, &pods[2], 140);
    fail(&mut recorder, &pods[2], 200);
    let one = (
        "one",
        "mode: enforce\nimagePullFailureCount: 1\nwarmUp: 0s\nbudget: {pods: 1, per: 1h}\n",
    );
    let two = (
        "two",
        "mode: enforce\nimagePullFailureCount: 2\nwarmUp: 0s\n",
    );
    let replayed = replay(dir.path(), &[one, two]);
    assert_eq!(found(row(&replayed, "a"), "one").0, Decision::Failed);
    for pod in ["b", "c"] {
        let finding = &row(&replayed, pod).policies[1];
        assert_eq!(finding.decision, Decision::Held);
        assert!(finding.held.contains_key("node-budget"), "{finding:?}");
    }
    let finding = &row(&replayed, "c").policies[2];
    assert_eq!(finding.spared.len(), 1, "{finding:?}");
    assert_eq!(
        found(row(&replayed, "c"), "two"),
        (Decision::Failed, Some(200), None)
    );
    assert_eq!(replayed.tallies[1].brakes["node-budget"], 2);
}

#[test]
fn what_stands_is_decided_by_another_policys_clock() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(recorder::config(NodeMode::Observe), dir.path());
    let stands = Pod::new("stands").container("c", "no name");
    let stands = stands.waiting("c", "InvalidImageName", "");
    recorder.see(&stands.view(), at(10));
    for second in (15..900).step_by(5) {
        recorder.tick(at(second));
    }
    end(&mut recorder, Outcome::Due, 901);
    let quick = (
        "quick",
        "mode: enforce\nimagePullFailureCount: 7\nwarmUp: 0s\n",
    );
    let slow = (
        "slow",
        "mode: enforce\nthresholds: {permanent: {for: 14m}}\nwarmUp: 0s\n",
    );
    let never = (
        "never",
        "mode: enforce\nthresholds: {permanent: {for: 20m}}\nwarmUp: 0s\n",
    );
    let warm = (
        "warm",
        "mode: enforce\nimagePullFailureCount: 7\nwarmUp: 5m\n",
    );
    recorder.see(&Pod::bad("other").view(), at(905));
    let replayed = replay(dir.path(), &[quick, slow, never, warm]);
    let row = row(&replayed, "stands");
    // To the tick by the record, to the second by others: 30 s where there is a count.
    assert_eq!(
        found(row, "recorded"),
        (Decision::WouldFail, Some(610), None)
    );
    assert_eq!(found(row, "quick"), (Decision::Failed, Some(40), None));
    assert_eq!(found(row, "slow"), (Decision::Failed, Some(850), None));
    assert_eq!(found(row, "never").0, Decision::Waited);
    assert_eq!(found(row, "warm"), (Decision::Failed, Some(300), None));
    assert_eq!(replayed.disagreements, [""; 0]);
}

#[test]
fn after_the_agents_own_write_there_is_no_record() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = recorder::config(NodeMode::Enforce);
    config.policy.failure_count = std::num::NonZeroU32::new(2);
    let mut recorder = Recorder::start(config, dir.path());
    let pod = Pod::bad("p");
    fail(&mut recorder, &pod, 100);
    recorder.see(&pod.clone().failing(NOT_FOUND).view(), at(130));
    end(&mut recorder, Outcome::Written, 131);
    recorder.leave(pod.has_uid(), None, at(133));
    let same = (
        "same",
        "mode: enforce\nimagePullFailureCount: 2\nwarmUp: 0s\n",
    );
    let replayed = replay(dir.path(), &[same, PATIENT]);
    let row = row(&replayed, "p");
    assert_eq!((row.fate, row.differs), (Fate::Failed, true));
    assert_eq!(found(row, "recorded"), (Decision::Failed, Some(130), None));
    assert_eq!(found(row, "same"), found(row, "recorded"));
    assert_eq!(found(row, "patient").0, Decision::Waited);
}

/// Each agent of a cluster's node writes so much; Pods come and go, and nobody is kept who has left.
#[test]
fn only_pods_that_have_not_left_are_kept() {
    let most_of = |pods: u64| {
        let dir = tempfile::tempdir().unwrap();
        let mut recorder = observing(dir.path());
        for nth in 0..pods {
            let pod = Pod::bad(&format!("p{nth}")).owner(&format!("o{nth}"));
            fail(&mut recorder, &pod, 100 * nth);
            match nth % 3 {
                0 => recorder.leave(pod.has_uid(), None, at(100 * nth + 50)),
                1 => recorder.see(
                    &pod.running("c").phase("Running").view(),
                    at(100 * nth + 50),
                ),
                _ => {
                    let ends = pod.clone().phase("Failed").view();
                    recorder.leave(pod.has_uid(), Some(&ends), at(100 * nth + 50));
                }
            }
        }
        let replayed = replay(dir.path(), &[HASTY, PATIENT]);
        assert_eq!(replayed.tallies[1].pods, pods);
        replayed.most
    };
    let few = most_of(30);
    assert_eq!(most_of(3000), few);
    assert!(few < 40, "{few}");
}

#[tokio::test]
async fn what_a_real_agent_has_written_is_judged_by_another_policy() {
    let mut node = Node::counting_to(3).await;
    node.kubelet.up();
    node.config.policy.mode = NodeMode::Observe;
    let pod = Pod::bad("p").container("d", GOOD);
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    node.fail_to(&agent, &pod, 2).await;
    node.report(&pod.clone().running("c").running("d").phase("Running"));
    agent.drops(&pod).await;
    until("it has left", async || {
        node.lines().iter().any(|line| line["kind"] == "left")
    })
    .await;
    agent.stop().await;
    let replayed = replay(&node.config.startup.log_dir, &[HASTY]);
    let row = row(&replayed, "p");
    assert_eq!(found(row, "recorded").0, Decision::Waited);
    let (decision, _, wrong) = found(row, "hasty");
    assert_eq!((decision, wrong), (Decision::Failed, Some(true)));
    let lines = node.lines();
    let first = lines.iter().find(|line| line["kind"] == "failure").unwrap();
    let counted: jiff::Timestamp = first["time"].as_str().unwrap().parse().unwrap();
    // What was reported was written down a moment before.
    let request = row.policies[1].time.unwrap();
    assert!(counted.duration_since(request).abs() < jiff::SignedDuration::from_secs(1));
}

/// So many seconds and nothing more.
const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_pod_of_which_nothing_is_heard_for_a_whole_run_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = observing(dir.path());
    fail(&mut recorder, &Pod::bad("p"), 100);
    for start in 1..=3 {
        recorder.restart(true, Moment::new(seconds(1000 * start)));
    }
    let replayed = replay(dir.path(), &[HASTY]);
    assert_eq!(row(&replayed, "p").fate, Fate::Unknown);
}
