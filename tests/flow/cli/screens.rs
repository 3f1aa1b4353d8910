//! What people see in some situations, word by word: tests/data/screens. `SCREENS=write` writes the files anew.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pullwarden::view::EvidenceState;
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tonic::Status;

use crate::cli::checking::{self, Check};
use crate::support::apiserver::Kind;
use crate::support::node::{Agent, Node};
use crate::support::pod::{NOT_FOUND, Pod, STRANGE, back_off};
use crate::support::store::Store;
use crate::support::until;

/// Where the clock stands at first: 2026-01-02T03:00:00Z.
const AT: u64 = 1_767_322_800_000;

/// A long but usual name.
const POD: &str = "train-resnet50-sweep-17-worker-0-7x2kq";
const IMAGE: &str = "registry.example.com/research/vision/trainer:v12-cuda13";
const MISSING: &str = r#"rpc error: code = NotFound desc = failed to pull and unpack image "registry.example.com/research/vision/trainer:v12-cuda13": failed to resolve image: registry.example.com/research/vision/trainer:v12-cuda13: not found"#;

fn stuck() -> Pod {
    Pod::new(POD).namespace("team-a").container("c", IMAGE)
}

/// A node whose clock stands.
async fn node() -> Node {
    let mut node = Node::counting_to(3).await;
    node.stop_the_clock(AT);
    node
}

/// The agent has written down that it has seen this.
async fn shows(node: &Node, pod: &Pod) {
    let views = || {
        node.lines()
            .iter()
            .filter(|line| line["kind"] == "view")
            .count()
    };
    let before = views();
    node.report(pod);
    until("the view is written down", async || views() > before).await;
}

/// So many failed pulls, 30 s from one to the next, and a pause after each.
async fn fails(node: &Node, pod: &Pod, error: &str, times: u32) {
    for _ in 0..times {
        shows(node, &pod.clone().failing(error)).await;
        node.advance(Duration::from_secs(10));
        shows(node, &pausing(pod, error)).await;
        node.advance(Duration::from_secs(20));
    }
}

/// What the registry says of the Pod's image: it does not have it.
fn missing(pod: &Pod) -> String {
    MISSING.replace(&stuck().image_of("c"), &pod.image_of("c"))
}

/// The Pod in the pause after a failed pull.
fn pausing(pod: &Pod, error: &str) -> Pod {
    let image = pod.0["spec"]["containers"][0]["image"].as_str().unwrap();
    let text = back_off(image, error);
    pod.clone().waiting("c", "ImagePullBackOff", &text)
}

/// A report has ended, and its Event is written.
async fn reported(node: &Node) {
    until("a report has ended", async || {
        let lines = node.lines();
        let has = |key, value| lines.iter().any(|line| line[key] == value);
        has("kind", "report") && has("step", "event")
    })
    .await;
}

/// A screen is as it was. Each line fits, unless it may be of any length.
#[track_caller]
pub fn check(name: &str, text: &str) {
    let wide = name.ends_with("-wide");
    let long = text.lines().find(|line| !wide && line.chars().count() > 80);
    assert!(long.is_none(), "{name}: more than 80 columns: {long:?}");
    let ends = text.lines().find(|line| line.ends_with(' '));
    assert!(ends.is_none(), "{name}: ends with a space: {ends:?}");
    let path = format!(
        "{}/tests/data/screens/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    if std::env::var("SCREENS").is_ok_and(|value| value == "write") {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, expected,
        "{name} looks otherwise; SCREENS=write if that is right"
    );
}

/// Runs the command beside an agent that answers with this, whatever it is asked.
async fn answered(node: &Node, arguments: &[&str], answer: &impl Serialize) -> String {
    let mut answer = serde_json::to_value(answer).unwrap();
    if answer.get("version").is_some() {
        answer["version"] = Value::from("1.2.3");
    }
    // The test's own folder is called otherwise each time.
    let answer = answer
        .to_string()
        .replace(node.path().to_str().unwrap(), "/etc/pullwarden");
    let socket = node.path().join("answers.sock");
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let text = run(
        node.path(),
        arguments,
        &["--control-socket", "/proc/self/cwd/answers.sock"],
    )
    .await;
    served.await.unwrap();
    text
}

async fn run(folder: &Path, arguments: &[&str], more: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
    command
        .env_clear()
        .current_dir(folder)
        .args(arguments)
        .args(more);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn check_status(name: &str, node: &Node, agent: &Agent) {
    let status = agent.status().await;
    check(
        &format!("status-{name}"),
        &answered(node, &["status"], &status).await,
    );
}

async fn check_explain(name: &str, node: &Node, agent: &Agent, pod: &str) {
    let (namespace, pod_name) = pod.split_once('/').unwrap();
    let explanation = agent.explain(namespace, pod_name).await;
    let arguments = ["explain", pod, "--log-dir", "/proc/self/cwd/log"];
    check(
        &format!("explain-{name}"),
        &answered(node, &arguments, &explanation).await,
    );
}

#[tokio::test]
async fn a_quiet_node() {
    let node = node().await;
    let agent = node.agent();
    node.turns(1).await;
    check_status("quiet", &node, &agent).await;
}

#[tokio::test]
async fn one_stuck_pod() {
    let node = node().await;
    let agent = node.agent();
    let starting = Pod::bad("starting");
    for pod in [&stuck(), &starting] {
        node.add(pod);
        agent.judges(pod).await;
    }
    fails(&node, &stuck(), MISSING, 2).await;
    check_status("stuck", &node, &agent).await;
    let status = agent.status().await;
    let wide = answered(&node, &["status", "-o", "wide"], &status).await;
    check("status-stuck-wide", &wide);
    check_explain("stuck", &node, &agent, &format!("team-a/{POD}")).await;
}

#[tokio::test]
async fn patience_by_class() {
    let mut node = node().await;
    node.config.policy.failure_count = None;
    let agent = node.agent();
    node.add(&stuck());
    agent.judges(&stuck()).await;
    fails(&node, &stuck(), MISSING, 3).await;
    node.advance(Duration::from_secs(100));
    check_status("patience", &node, &agent).await;
}

#[tokio::test]
async fn held_by_the_budget() {
    let mut node = node().await;
    node.config.brake.budget.pods = 1;
    let agent = node.agent();
    let first = Pod::bad("first");
    for pod in [&first, &stuck()] {
        node.add(pod);
        agent.judges(pod).await;
    }
    fails(&node, &first, NOT_FOUND, 2).await;
    shows(&node, &first.clone().failing(NOT_FOUND)).await;
    reported(&node).await;
    node.remove(&first);
    agent.drops(&first).await;
    fails(&node, &stuck(), MISSING, 3).await;
    check_status("budget", &node, &agent).await;
}

#[tokio::test]
async fn held_by_the_registrys_brake() {
    let node = node().await;
    let agent = node.agent();
    let mut pods = Pod::of_repositories("registry.example.com", 2);
    pods.push(stuck());
    for pod in &pods {
        node.add(pod);
        agent.judges(pod).await;
        fails(&node, pod, &missing(pod), 1).await;
    }
    for pod in &pods {
        fails(&node, pod, &missing(pod), 2).await;
    }
    check_status("registry", &node, &agent).await;
    check_explain("registry", &node, &agent, &format!("team-a/{POD}")).await;
}

#[tokio::test]
async fn observing_and_warming_up() {
    let mut node = Node::observing().await;
    node.stop_the_clock(AT);
    node.config.policy.failure_count = std::num::NonZeroU32::new(3);
    node.config.warm_up = Duration::from_secs(130);
    let agent = node.agent();
    node.add(&stuck());
    agent.judges(&stuck()).await;
    fails(&node, &stuck(), MISSING, 3).await;
    check_status("warm-up", &node, &agent).await;
    node.advance(Duration::from_secs(120));
    shows(&node, &stuck().failing(MISSING)).await;
    reported(&node).await;
    node.advance(Duration::from_secs(10));
    shows(&node, &pausing(&stuck(), MISSING)).await;
    check_status("observing", &node, &agent).await;
    check_explain("observing", &node, &agent, &format!("team-a/{POD}")).await;
}

#[tokio::test]
async fn a_runtime_that_does_not_answer() {
    let node = node().await;
    let agent = node.agent();
    node.turns(1).await;
    node.runtime.fault(Some(Status::unavailable("down")));
    until("that is seen", async || !agent.status().await.runtime).await;
    check_status("no-runtime", &node, &agent).await;
}

#[tokio::test]
async fn evidence_that_is_lost() {
    let node = node().await;
    let agent = node.agent();
    node.add(&stuck());
    agent.judges(&stuck()).await;
    fails(&node, &stuck(), MISSING, 1).await;
    node.api.down().await;
    agent.evidence_is(EvidenceState::Lost).await;
    check_status("no-evidence", &node, &agent).await;
}

#[tokio::test]
async fn a_configuration_that_is_refused() {
    let node = node().await;
    let file = node.path().join("config.yaml");
    std::fs::write(&file, "mode: enforce\nwarmUp: 0s\n").unwrap();
    let agent = node.agent_of(&file);
    std::fs::write(&file, "mode: loud\nwarmUp: soon\nstateDir: /elsewhere\n").unwrap();
    until("it is refused", async || {
        agent.status().await.configuration_refused.is_some()
    })
    .await;
    check_status("refused", &node, &agent).await;
}

#[tokio::test]
async fn an_error_that_nobody_knows() {
    let node = node().await;
    let agent = node.agent();
    let pod = Pod::bad("p").restart("OnFailure");
    node.add(&pod);
    agent.judges(&pod).await;
    let hostile = format!(
        "{STRANGE}: \u{1b}[2J {}",
        "and it has much to say ".repeat(30)
    );
    fails(&node, &pod, &hostile, 2).await;
    check_status("unknown", &node, &agent).await;
}

#[tokio::test]
async fn pods_that_were_failed_already_and_never_seen() {
    let node = node().await;
    let agent = node.agent();
    node.add(&stuck());
    agent.judges(&stuck()).await;
    fails(&node, &stuck(), MISSING, 2).await;
    // Else the watch may tell of the writes before the report has ended, or after.
    node.api.before(Kind::PatchStatus, 1, Store::hold_watches);
    shows(&node, &stuck().failing(MISSING)).await;
    reported(&node).await;
    node.api.store().release_watches();
    until("the kubelet is waited for", async || {
        let lines = node.lines();
        lines
            .iter()
            .any(|line| line["reasons"][0] == "written; the kubelet is ending the Pod")
    })
    .await;
    node.advance(Duration::from_secs(1));
    node.remove(&stuck());
    agent.drops(&stuck()).await;
    check_explain("failed", &node, &agent, &format!("team-a/{POD}")).await;
    check_explain("never", &node, &agent, "team-b/nobody").await;
    check_explain("excluded", &node, &agent, "kube-system/coredns-7x2kq").await;
}

/// What `check` prints. The folder and the ports are called otherwise each time, and are as long.
async fn preflight(check: Check<'_>) -> String {
    let text = String::from_utf8(check.run("text").await.stdout).unwrap();
    text.replace("/proc/self/cwd", "/var/lib/node1")
}

#[tokio::test]
async fn the_preflight_of_a_node() {
    let node = checking::node().await;
    check("check-well", &preflight(Check::of(&node)).await);
    node.api
        .reviews()
        .allowed
        .extend(["list secrets", "create pods/exec"].map(str::to_owned));
    node.api.reviews().allowed.remove("list pods");
    node.api.reviews().minor = "37";
    node.kubelet.down().await;
    node.runtime.call_itself("cri-o", "1.24.6");
    check("check-permissions", &preflight(Check::of(&node)).await);
    node.runtime.down().await;
    node.api.reviews().node = None;
    let faulty = Check::of(&node)
        .with("evidence", "kubelet")
        .with("state-dir", "/dev/null/state")
        .with("kubeconfig", "/proc/self/cwd/none");
    check("check-faults", &preflight(faulty).await);
}
