//! Replay: by the policy that was in force it comes to what was decided, by others to what differs. That holds for the log of every agent of these
//! tests (`support/record.rs`); here is what else it says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use proptest::prelude::*;
use pullwarden::config::Config;
use pullwarden::judge::{Moment, NodeMode, Outcome, Phase, PodView};
use pullwarden::replay::{Decision, Fate, Finding, Row};
use serde_json::Value;

use super::properties::reports;
use crate::support::court::at;
use crate::support::node::Node;
use crate::support::pod::{GOOD, NOT_FOUND, Pod};
use crate::support::record::{self, Replayed};
use crate::support::scribe::{self, Scribe};
use crate::support::until;

/// An observing agent that counts to three.
fn observing(dir: &Path) -> Scribe {
    let mut config = scribe::config(NodeMode::Observe);
    config.policy.failure_count = std::num::NonZeroU32::new(3);
    Scribe::start(config, dir)
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

const HASTY: (&str, &str) = (
    "hasty",
    "mode: enforce\nimagePullFailureCount: 1\nwarmUp: 0s\n",
);
const PATIENT: (&str, &str) = (
    "patient",
    "mode: enforce\nimagePullFailureCount: 9\nwarmUp: 0s\n",
);

/// The Pod fails, and then waits for its next try.
fn fail(scribe: &mut Scribe, pod: &Pod, second: u64) {
    scribe.see(&pod.clone().failing(NOT_FOUND).view(), at(second));
    scribe.see(&pod.clone().pausing(NOT_FOUND).view(), at(second + 10));
}

fn end(scribe: &mut Scribe, outcome: Outcome, second: u64) {
    scribe.end_report(0, outcome, false, at(second));
}

fn replay(dir: &Path, others: &[(&str, &str)]) -> Replayed {
    record::replay(&record::files(dir), &policies(others))
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
    let mut scribe = observing(dir.path());
    let [heals, goes, blinks] = ["heals", "goes", "blinks"].map(Pod::bad);
    for (pod, from) in [(&heals, 100), (&goes, 1000)] {
        for nth in 0..3 {
            fail(&mut scribe, pod, from + 60 * nth);
        }
        end(&mut scribe, Outcome::Due, from + 131);
    }
    // Fails once, and is pulled.
    fail(&mut scribe, &blinks, 2000);
    let runs = |pod: &Pod| pod.clone().running("c").phase("Running").view();
    scribe.see(&runs(&blinks), at(2030));
    scribe.see(&runs(&heals), at(2040));
    let ends = goes.clone().phase("Failed").view();
    scribe.leave(goes.has_uid(), Some(&ends), at(2050));
    scribe.holds(dir.path());

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
fn brakes_and_sparing_are_another_policys_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut scribe = observing(dir.path());
    let pods = ["a", "b", "c"].map(Pod::bad);
    for pod in &pods {
        fail(&mut scribe, pod, 100);
    }
    // Another spelling of the same image comes to the node: whoever fails from it then is spared once.
    scribe.arrive("r.test/bad:1", Some(at(130)), at(130));
    fail(&mut scribe, &pods[2], 140);
    fail(&mut scribe, &pods[2], 200);
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
    let mut scribe = Scribe::start(scribe::config(NodeMode::Observe), dir.path());
    let stands = Pod::new("stands").container("c", "no name");
    let stands = stands.waiting("c", "InvalidImageName", "");
    scribe.see(&stands.view(), at(10));
    for second in (15..900).step_by(5) {
        scribe.tick(at(second));
    }
    end(&mut scribe, Outcome::Due, 901);
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
    scribe.see(&Pod::bad("other").view(), at(905));
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
    let mut config = scribe::config(NodeMode::Enforce);
    config.policy.failure_count = std::num::NonZeroU32::new(2);
    let mut scribe = Scribe::start(config, dir.path());
    let pod = Pod::bad("p");
    fail(&mut scribe, &pod, 100);
    scribe.see(&pod.clone().failing(NOT_FOUND).view(), at(130));
    end(&mut scribe, Outcome::Written, 131);
    scribe.leave(pod.has_uid(), None, at(133));
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
        let mut scribe = observing(dir.path());
        for nth in 0..pods {
            let pod = Pod::bad(&format!("p{nth}")).owner(&format!("o{nth}"));
            fail(&mut scribe, &pod, 100 * nth);
            match nth % 3 {
                0 => scribe.leave(pod.has_uid(), None, at(100 * nth + 50)),
                1 => scribe.see(
                    &pod.running("c").phase("Running").view(),
                    at(100 * nth + 50),
                ),
                _ => {
                    let ends = pod.clone().phase("Failed").view();
                    scribe.leave(pod.has_uid(), Some(&ends), at(100 * nth + 50));
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
    let replayed = replay(&node.config.log_dir, &[HASTY]);
    let row = row(&replayed, "p");
    assert_eq!(found(row, "recorded").0, Decision::Waited);
    let (decision, _, wrong) = found(row, "hasty");
    assert_eq!((decision, wrong), (Decision::Failed, Some(true)));
    let lines = node.lines();
    let first = lines.iter().find(|line| line["kind"] == "failure").unwrap();
    let counted: jiff::Timestamp = first["time"].as_str().unwrap().parse().unwrap();
    // What was reported was written down a moment before.
    let condemned = row.policies[1].time.unwrap();
    assert!(counted.duration_since(condemned).abs() < jiff::SignedDuration::from_secs(1));
}

/// Something that happens, besides a report.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Nothing,
    Tick,
    Arrival,
    Ended(Outcome, bool),
    Left,
    Started,
    Restart(bool),
    Page,
}

fn happens() -> impl Strategy<Value = Happens> {
    let outcomes = [
        Outcome::Written,
        Outcome::Due,
        Outcome::SparedByRuntime,
        Outcome::MovedOn,
        Outcome::Spared,
        Outcome::Gone,
        Outcome::Refused,
    ];
    prop_oneof![
        6 => Just(Happens::Nothing),
        6 => Just(Happens::Tick),
        1 => Just(Happens::Arrival),
        6 => (prop::sample::select(outcomes.to_vec()), any::<bool>())
            .prop_map(|(outcome, marked)| Happens::Ended(outcome, marked)),
        1 => Just(Happens::Left),
        1 => Just(Happens::Started),
        1 => any::<bool>().prop_map(Happens::Restart),
        1 => Just(Happens::Page),
    ]
}

fn happen(scribe: &mut Scribe, what: Happens, view: &PodView, now: Moment) {
    match what {
        Happens::Nothing => {}
        Happens::Tick => scribe.tick(now),
        Happens::Arrival => scribe.arrive(&view.containers[0].image, Some(now), now),
        Happens::Ended(outcome, marked) if !scribe.reports.is_empty() => {
            scribe.end_report(0, outcome, marked, now);
        }
        Happens::Ended(..) => {}
        Happens::Left => scribe.leave(&view.uid, None, now),
        Happens::Started => {
            let phase = Phase::Started;
            scribe.see(
                &PodView {
                    phase,
                    ..view.clone()
                },
                now,
            );
        }
        Happens::Restart(reboots) => scribe.restart(reboots, now),
        Happens::Page => {
            // As the agent does it, after a tick.
            scribe.tick(now);
            scribe.turn_page(now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_replay_comes_to_the_same(
        reports in reports(),
        others in prop::collection::vec(happens(), 40),
        mode in prop::sample::select(vec![NodeMode::Observe, NodeMode::OptIn, NodeMode::Enforce]),
        count in prop::option::of(1_u32..5),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut config = scribe::config(mode);
        config.policy.failure_count = count.and_then(std::num::NonZeroU32::new);
        let mut scribe = Scribe::start(config, dir.path());
        for ((second, view), what) in reports.iter().zip(others) {
            scribe.see(view, at(*second));
            happen(&mut scribe, what, view, at(*second));
        }
        scribe.holds(dir.path());
        // Nor does it matter what others come to, or where the record is cut off.
        let replayed = replay(dir.path(), &[HASTY, PATIENT]);
        record::agrees(dir.path(), &replayed);
        let file = dir.path().join("pulls.jsonl");
        let text = std::fs::read_to_string(&file).unwrap();
        let is_page = |at: &usize| {
            let line = text[*at..].lines().next();
            line.is_some_and(|line| line.contains("\"kind\":\"continued\""))
        };
        let mut lines = text.match_indices('\n').map(|(at, _)| at + 1);
        if let Some(page) = lines.rfind(is_page) {
            std::fs::write(&file, &text[page..]).unwrap();
            record::agrees(dir.path(), &replay(dir.path(), &[]));
        }
    }
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
    command
        .arg("replay")
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// The log of two nodes, and the paths of its files.
fn two_nodes(dir: &Path) -> [PathBuf; 2] {
    ["a", "b"].map(|name| {
        let dir = dir.join(name);
        let mut scribe = observing(&dir);
        let pod = Pod::bad(&format!("of-{name}"));
        for nth in 0..3 {
            fail(&mut scribe, &pod, 100 + 60 * nth);
        }
        end(&mut scribe, Outcome::Due, 230);
        scribe.see(&pod.running("c").phase("Running").view(), at(300));
        dir.join("pulls.jsonl")
    })
}

#[test]
fn the_command_shows_pods_and_sums_as_a_table_and_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = two_nodes(dir.path());
    let hasty = dir.path().join("hasty.yaml");
    std::fs::write(&hasty, HASTY.1).unwrap();
    // Put aside after its third line, and named in the wrong order.
    let text = std::fs::read_to_string(&a).unwrap();
    let cut = text.match_indices('\n').nth(2).unwrap().0 + 1;
    let older = dir.path().join("a/pulls.jsonl.1");
    std::fs::write(&older, &text[..cut]).unwrap();
    std::fs::write(&a, &text[cut..]).unwrap();
    let [a, b, older, hasty] = [&a, &b, &older, &hasty].map(|path| path.to_str().unwrap());

    let output = run(&["--config", hasty, a, b, older]);
    let (out, err) = said(&output);
    assert!(output.status.success() && err.is_empty(), "{out}{err}");
    assert!(
        out.contains("default/of-a  on node1  it started  the policies differ\n"),
        "{out}"
    );
    assert!(
        out.contains("would fail  2026-11-02T00:03:40Z  r.test/bad:1  ImageNotFound, 3 failures in 2m  WRONG: it started at 2026-11-02T00:05:00Z"),
        "{out}"
    );
    assert!(
        out.contains(
            "failed  2026-11-02T00:01:40Z  r.test/bad:1  ImageNotFound, 1 failure in 0s  WRONG"
        ),
        "{out}"
    );
    let sums: Vec<&str> = out
        .lines()
        .filter(|l| l.contains("WRONG, started"))
        .collect();
    assert_eq!(
        sums[0].split_whitespace().rev().take(2).collect::<Vec<_>>(),
        ["2", "2"]
    );

    let output = run(&["-o", "json", "--config", hasty, a, b, older]);
    let (out, err) = said(&output);
    assert!(output.status.success() && err.is_empty(), "{out}{err}");
    let value: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["pods"].as_array().unwrap().len(), 2);
    assert_eq!(value["pods"][0]["policies"][1]["decision"], "failed");
    assert_eq!(value["summary"][0]["wouldFail"], 2);
    assert_eq!(value["summary"][0]["disagreed"], 0);
    assert_eq!(value["summary"][1]["wrong"], 2);
}

#[test]
fn a_line_that_cannot_be_read_is_told_and_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let [a, _] = two_nodes(dir.path());
    let mut text = std::fs::read_to_string(&a).unwrap();
    let whole = said(&run(&[a.to_str().unwrap()])).0;
    let newer =
        r#"{"time":"2026-11-02T00:00:00Z","at":{"secs":1,"nanos":0},"ticked":null,"kind":"dream"}"#;
    text = text.replacen('\n', &format!("\n{newer}\n\u{0}\n{{\"kind\":\"view\"\n"), 1);
    text.push_str("{\"time\":\"2026-11-02T");
    std::fs::write(&a, text).unwrap();
    let output = run(&[a.to_str().unwrap()]);
    let (out, err) = said(&output);
    assert!(output.status.success(), "{err}");
    assert_eq!(out, whole, "the others are judged as ever");
    let name = a.display();
    let told: Vec<&str> = err.lines().collect();
    assert_eq!(told.len(), 4, "{err}");
    assert_eq!(
        record::replay(std::slice::from_ref(&a), &[]).unread.len(),
        4
    );
    assert_eq!(
        told[0],
        format!(
            "pullwarden: {name}:2: is of a kind that this version does not know, passed over: \"dream\""
        )
    );
    for (line, told) in [3, 4].into_iter().zip(&told[1..]) {
        let begins = format!("pullwarden: {name}:{line}: cannot be read, passed over: ");
        assert!(told.starts_with(&begins), "{told}");
    }
}

#[test]
fn faults_have_the_exit_codes_of_the_other_commands() {
    let dir = tempfile::tempdir().unwrap();
    let [a, _] = two_nodes(dir.path());
    let bad = dir.path().join("bad.yaml");
    std::fs::write(&bad, "mode: loud\npol: 1\n").unwrap();
    let [a, bad] = [&a, &bad].map(|path| path.to_str().unwrap());
    let code = |arguments: &[&str]| {
        let output = run(arguments);
        (output.status.code(), said(&output).1)
    };
    assert_eq!(code(&[]).0, Some(2));
    assert_eq!(code(&["-o", "yaml", a]).0, Some(2));
    let (exit, told) = code(&["/no/such/file"]);
    assert_eq!(exit, Some(1));
    assert!(
        told.contains("reading /no/such/file: No such file"),
        "{told}"
    );
    let (exit, told) = code(&["--config", bad, "--config", "/no/such.yaml", a]);
    assert_eq!(exit, Some(64));
    assert!(told.contains("has 3 faults"), "{told}");
}

#[test]
fn an_old_log_that_does_not_say_what_was_in_force_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let [a, _] = two_nodes(dir.path());
    let text = std::fs::read_to_string(&a).unwrap();
    let headless = text.split_once('\n').unwrap().1;
    std::fs::write(&a, headless).unwrap();
    let (out, err) = said(&run(&[a.to_str().unwrap()]));
    let lines = headless.lines().count();
    assert!(
        err.contains(&format!("{lines} lines come before any")),
        "{out}{err}"
    );
}

/// So many seconds and nothing more.
const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_pod_of_which_nothing_is_heard_for_a_whole_run_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut scribe = observing(dir.path());
    fail(&mut scribe, &Pod::bad("p"), 100);
    for start in 1..=3 {
        scribe.restart(true, Moment::new(seconds(1000 * start)));
    }
    let replayed = replay(dir.path(), &[HASTY]);
    assert_eq!(row(&replayed, "p").fate, Fate::Unknown);
}
