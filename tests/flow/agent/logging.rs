//! The node's log: what its schema says, and that a file of it can be judged by itself. Every agent of these tests is held to both as well, when its
//! node ends (`support/node_log.rs`).

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::restarts::marked_and_killed;
use crate::support::node::{Agent, Node};
use crate::support::node_log;
use crate::support::pod::{BAD, GOOD, NOT_FOUND, Pod};
use crate::support::schema::PULLS;
use crate::support::until;

const CONFIG: &str = "mode: observe\nwarmUp: 0s\nimagePullFailureCount: 2\n\
    scope: {namespaces: [{selector: {matchLabels: {env: prod}}, mode: observe}]}\n";

/// An agent has written a line of this kind.
async fn has(node: &Node, kind: &str) {
    until(kind, async || {
        node_log::lines(&node.config.startup.log_dir)
            .iter()
            .any(|line| line["kind"] == kind)
    })
    .await;
}

/// Lines of almost every kind, from one node.
async fn eventful() -> (Node, Agent) {
    let node = Node::observing().await;
    let file = node.path().join("config.yaml");
    std::fs::write(&file, CONFIG).unwrap();
    let agent = node.agent_of(&file);
    let started = Pod::bad("started");
    let pair = Pod::new("pair")
        .container("c", "r.test/pair:1")
        .container("d", GOOD);
    let stands = Pod::new("stands").container("c", "no name");
    let gone = Pod::bad("gone");
    for pod in [&started, &pair, &gone] {
        node.add(pod);
        agent.judges(pod).await;
        node.fail_to(&agent, pod, 1).await;
    }
    has(&node, "labels").await;
    node.runtime.add_image("r.test/other:1");
    has(&node, "image").await;
    node.report(&pair.clone().running("c"));
    has(&node, "heal").await;
    node.add(&stands.clone().waiting("c", "InvalidImageName", ""));
    agent.judges(&stands).await;
    node.advance(Duration::from_secs(60));
    has(&node, "clock").await;
    std::fs::write(&file, CONFIG.replace("0s", "1s")).unwrap();
    has(&node, "configuration").await;
    node.fail_once(&started);
    has(&node, "report").await;
    until("the Pod is announced", async || {
        let lines = node.lines().into_iter();
        let mut events = lines.filter(|line| line["step"] == "event");
        events.any(|line| line["pod"] == "started")
    })
    .await;
    node.report(&started.clone().running("c").phase("Running"));
    has(&node, "would-fail-then-started").await;
    node.runtime.remove(&gone);
    // An answer about its namespace that comes just then has it judged once more.
    until("it is forgotten", async || {
        node.advance(Duration::from_secs(3700));
        node.turns(1).await;
        let lines = node_log::lines(&node.config.startup.log_dir);
        lines.iter().any(|line| line["kind"] == "forgotten")
    })
    .await;
    (node, agent)
}

/// The log of an earlier run that has almost filled its file.
fn fill(dir: &Path, bytes: usize) {
    std::fs::create_dir_all(dir).unwrap();
    let line = json!({"time": "2026-01-01T00:00:00Z", "at": {"secs": 0, "nanos": 0}, "ticked": null,
        "kind": "image", "image": "r.test/a:1", "came": null});
    let line = format!("{line}\n");
    let lines = line.repeat(bytes / line.len());
    std::fs::write(dir.join("pulls.jsonl"), lines).unwrap();
}

#[tokio::test]
async fn every_kind_of_line_is_written_and_is_what_the_schema_says() {
    let (eventful, agent) = eventful().await;
    agent.stop().await;
    let mut lines = node_log::lines(&eventful.config.startup.log_dir);
    let marked = marked_and_killed().await;
    let agent = marked.agent();
    agent.judges(&Pod::bad("p")).await;
    marked.report(&Pod::bad("p").running("c").phase("Running"));
    has(&marked, "undone").await;
    agent.stop().await;
    lines.extend(node_log::lines(&marked.config.startup.log_dir));
    let full = Node::counting_to(3).await;
    fill(&full.config.startup.log_dir, 7_900_000);
    let agent = full.agent();
    has(&full, "continued").await;
    agent.stop().await;
    lines.extend(node_log::lines(&full.config.startup.log_dir));

    let kinds: BTreeSet<&str> = lines.iter().filter_map(|l| l["kind"].as_str()).collect();
    assert_eq!(kinds, PULLS.kinds().into_iter().collect());
    for kind in kinds {
        let line = lines.iter().rfind(|line| line["kind"] == kind).unwrap();
        assert_eq!(PULLS.faults(line), [""; 0], "{line}");
        let with = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
            let mut line = line.clone();
            change(line.as_object_mut().unwrap());
            PULLS.faults(&line)
        };
        let unknown = with(&|line| _ = line.insert("surprise".to_owned(), json!(1)));
        assert!(!unknown.is_empty(), "{kind} may have what nobody knows");
        for name in line.as_object().unwrap().keys() {
            assert!(
                !with(&|line| _ = line.remove(name)).is_empty(),
                "{kind}: {name}"
            );
            let other = with(&|line| _ = line.insert(name.clone(), json!(1.5)));
            assert!(!other.is_empty(), "{kind}: {name} may be anything");
        }
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
    }
}

#[tokio::test]
async fn a_file_can_be_judged_without_those_before_it() {
    let mut node = Node::counting_to(3).await;
    // Within reach of the end, so that the file is put aside in the middle of the story.
    fill(&node.config.startup.log_dir, 7_862_500);
    let pod = Pod::bad("p");
    let stands = Pod::new("stands").container("c", "no name");
    node.config.policy.mode = pullwarden::judge::NodeMode::Observe;
    node.add(&pod);
    node.add(&stands.clone().waiting("c", "InvalidImageName", ""));
    let agent = node.agent();
    agent.judges(&stands).await;
    agent.judges(&pod).await;
    node.fail_once(&pod);
    // Time stands still until then: what stands is decided in the new file.
    has(&node, "continued").await;
    node.report(&pod.clone().pausing(NOT_FOUND));
    node.advance(Duration::from_secs(30));
    node.fail_to(&agent, &pod, 2).await;
    node.advance(Duration::from_secs(60));
    has(&node, "clock").await;
    node.fail_once(&pod);
    until("both are announced", async || {
        let lines = node.lines();
        lines.iter().filter(|l| l["kind"] == "report").count() == 2
    })
    .await;
    agent.stop().await;
    let newest = node.config.startup.log_dir.join("pulls.jsonl");
    let lines = node.lines();
    assert_eq!(lines[0]["kind"], "continued", "{}", lines[0]);
    let replayed = node_log::replay(&[newest], &[]);
    assert_eq!(replayed.disagreements, [""; 0]);
    assert_eq!(replayed.tallies[0].would_fail, 2);
}

/// All that is known would fill a file of the log. A new file begins without it, and takes what comes.
#[tokio::test]
async fn a_file_begins_without_what_is_too_much_for_it() {
    let node = Node::observing().await;
    fill(&node.config.startup.log_dir, 7_900_000);
    let message = "\"".repeat(8 << 10);
    let pod = |n: usize| {
        (0..8).fold(Pod::new(&format!("p{n}")), |pod, c| {
            let name = format!("c{c}");
            let pod = pod.container(&name, BAD);
            pod.waiting(&name, "ErrImagePull", &message)
        })
    };
    for n in 0..60 {
        node.add(&pod(n));
    }
    let agent = node.agent();
    agent.judges(&pod(59)).await;
    node.turns(3).await;
    agent.stop().await;
    let lines = node.lines();
    let headings: Vec<usize> = lines
        .iter()
        .filter(|line| line["kind"] == "continued")
        .map(|line| line.to_string().len())
        .collect();
    assert_eq!(headings.len(), 1, "{headings:?}");
    assert!(headings[0] < 1 << 20, "{headings:?}");
}

/// With `--log-format json` whatever the process writes is JSON, and the node's log is on standard output.
#[test]
fn the_nodes_log_is_on_standard_output_if_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let run = |format: &str| {
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
        command
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.args(["run", "--node-name", "n", "--admin-address", "127.0.0.1:0"]);
        command.args([
            "--cri-socket",
            &path("cri.sock"),
            "--state-dir",
            &path("state"),
        ]);
        command.args([
            "--control-socket",
            &path("control.sock"),
            "--log-dir",
            &path(format),
        ]);
        command.args(["--log-format", format]).spawn().unwrap()
    };
    let mut child = run("json");
    let (mut out, mut told) = (String::new(), String::new());
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut out).unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut told).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let written = std::fs::read_to_string(dir.path().join("json/pulls.jsonl")).unwrap();
    assert_eq!(written, out);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&told["level"], &told["message"]),
        (&json!("INFO"), &json!("no counts of an earlier run"))
    );
    let start: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&start["kind"], &start["node"]),
        (&json!("start"), &json!("n"))
    );

    let mut child = run("text");
    let mut told = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    while !told.contains("watching") {
        assert!(stderr.read_line(&mut told).unwrap() > 0, "{told}");
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.stdout.is_empty());
    assert!(told.contains("INFO watching node=n"), "{told}");
}

/// Mode of a file or folder.
fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn only_owner_and_group_can_read_the_agents_files() {
    for is_older in [false, true] {
        let mut node = Node::observing().await;
        let [state, log] = ["var/state", "var/log"].map(|name| node.path().join(name));
        let logs = [
            "pulls.jsonl",
            "pulls.jsonl.1",
            "pulls.jsonl.2",
            "pulls.jsonl.3",
        ];
        let states = ["state.json", "state.json.new", "state.json.damaged"];
        let logs = logs.map(|name| log.join(name));
        let states = states.map(|name| state.join(name));
        if is_older {
            for path in logs.iter().chain(&states) {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "").unwrap();
                std::fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
            }
        }
        node.config.startup.state_dir = state.to_str().unwrap().parse().unwrap();
        node.config.startup.log_dir = log.to_str().unwrap().parse().unwrap();
        let agent = node.agent();
        let pod = Pod::bad("p");
        node.add(&pod);
        agent.judges(&pod).await;
        node.fail_to(&agent, &pod, 1).await;
        has(&node, "failure").await;
        agent.stop().await;
        let mut found = 0;
        for path in logs.iter().chain(&states).filter(|path| path.exists()) {
            found += 1;
            assert_eq!(mode(path) & !0o640, 0, "{}", path.display());
        }
        assert_eq!(found, if is_older { 6 } else { 2 });
        for dir in [&state, &log].into_iter().filter(|_| !is_older) {
            assert_eq!(mode(dir) & !0o750, 0, "{}", dir.display());
        }
    }
}
