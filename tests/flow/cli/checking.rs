//! `pullwarden check`: the preflight, on a node where something is wrong.

use std::path::Path;
use std::process::{Command, Output};

use pullwarden::control;
use serde_json::Value;
use tonic::Status;

use crate::support::apiserver::Kind;
use crate::support::node::Node;
use crate::support::pod::Pod;

const DENIED: &str = "pods \"agent\" is forbidden: ValidatingAdmissionPolicy 'pullwarden-pods' with binding 'pullwarden-pods' denied request: pullwarden.io/held: no agent may set the label pullwarden.io/must-be-denied";
const KUBELET: &str = "kubelet-pods-socket";

/// What `check` is told of a node; a value for a flag that is named twice takes the place of the former.
pub struct Check<'a> {
    node: &'a Node,
    flags: Vec<(&'static str, String)>,
}

impl<'a> Check<'a> {
    /// For an agent in a Pod, that enforces.
    pub fn of(node: &'a Node) -> Self {
        let flags = [
            ("node-name", "node1"),
            ("mode", "enforce"),
            ("own-pod", "pullwarden/agent"),
            ("cri-socket", "/proc/self/cwd/cri.sock"),
            (KUBELET, "/proc/self/cwd/pods.sock"),
            ("kubeconfig", "/proc/self/cwd/kubeconfig"),
            ("state-dir", "/proc/self/cwd/state"),
            ("log-dir", "/proc/self/cwd/log"),
            ("admin-address", "127.0.0.1:0"),
            ("control-socket", "/proc/self/cwd/control.sock"),
        ];
        let flags = flags.map(|(flag, value)| (flag, value.to_owned()));
        Self {
            node,
            flags: flags.into(),
        }
    }

    pub fn with(mut self, flag: &'static str, value: &str) -> Self {
        self.flags.retain(|(known, _)| *known != flag);
        if !value.is_empty() {
            self.flags.push((flag, value.to_owned()));
        }
        self
    }

    /// What it prints, and its exit code.
    pub async fn run(&self, output: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
        command.env_clear().current_dir(self.node.path());
        command.args(["check", "-o", output]);
        for (flag, value) in &self.flags {
            command.arg(format!("--{flag}={value}"));
        }
        let output = tokio::task::spawn_blocking(move || command.output());
        output.await.unwrap().unwrap()
    }

    /// What it prints for people, in one line.
    async fn text(&self) -> String {
        let output = self.run("text").await;
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// All that is not as it should be, as `level what: found`. Each has a remedy, and the exit code says whether one is a fault.
    pub async fn finds(&self) -> Vec<String> {
        let output = self.run("json").await;
        let answer: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let findings = answer["findings"].as_array().unwrap();
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        for finding in findings {
            let is_well = finding["level"] == "ok";
            assert_eq!(is_well, text(finding, "remedy").is_empty(), "{finding}");
        }
        let faults = findings
            .iter()
            .filter(|finding| finding["level"] == "fault")
            .count();
        assert_eq!(answer["faults"], faults);
        assert_eq!(
            output.status.code(),
            Some(i32::from(faults > 0)),
            "{output:?}"
        );
        let wrong = findings.iter().filter(|finding| finding["level"] != "ok");
        let line = |f: &Value| {
            format!(
                "{} {}: {}",
                text(f, "level"),
                text(f, "what"),
                text(f, "found")
            )
        };
        wrong.map(line).collect()
    }

    /// There is this one thing that is not as it should be.
    pub async fn finds_only(&self, expected: &str) {
        let found = self.finds().await;
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{found:#?}"
        );
    }
}

/// A node on which everything is as it should be, with the kubelet's socket.
pub async fn node() -> Node {
    let node = Node::observing().await;
    let own = Pod::new("agent").namespace("pullwarden").uid("agent");
    node.api.store().put(&own);
    node.api.refuse_from(Kind::TryPatch, 1, 403, DENIED);
    node.kubelet.up();
    node
}

#[tokio::test]
async fn all_is_well_and_nothing_was_written() {
    let node = node().await;
    node.kubelet.show(&Pod::bad("p"));
    let check = Check::of(&node);
    assert_eq!(check.finds().await, [""; 0]);
    let text = check.text().await;
    for part in [
        "containerd 2.4.2 answers at",
        "from the kubelet",
        "is not there yet, and can be made",
        "Kubernetes v1.36.0",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(node.api.writes().is_empty(), "{:?}", node.api.writes());
    let tried: Vec<_> = node
        .api
        .log()
        .into_iter()
        .filter(|r| r.kind == Kind::TryPatch)
        .collect();
    assert!(
        tried
            .iter()
            .all(|r| r.query.contains(&("dryRun".to_owned(), "All".to_owned())))
    );
    for left in ["state", "log", "control.sock"] {
        assert!(!node.path().join(left).exists(), "{left}");
    }
    // The kubelet logs each call.
    assert_eq!(node.kubelet.asked(), 2);
    assert_eq!(node.kubelet.readers(), 0);
}

#[tokio::test]
async fn a_bad_configuration_is_listed_whole() {
    let node = node().await;
    let output = Check::of(&node)
        .with("mode", "loud")
        .with("poll", "1ms")
        .run("text")
        .await;
    assert_eq!(output.status.code(), Some(64));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(
        complaint.contains("the configuration has 2 faults"),
        "{complaint}"
    );
    assert!(node.api.log().is_empty() && output.stdout.is_empty());
}

#[tokio::test]
async fn the_runtimes_socket() {
    let node = node().await;
    let check = Check::of(&node);
    for (name, version) in [
        ("containerd", "v1.7.35"),
        ("containerd", "2.4.2-rc.1"),
        ("cri-o", "1.34.0"),
    ] {
        node.runtime.call_itself(name, version);
        assert_eq!(check.finds().await, [""; 0]);
    }
    for (name, version) in [
        ("cri-dockerd", "2.4.2"),
        ("containerd", "v1.6.40"),
        ("containerd", ""),
        ("containerd", "of today"),
        ("cri-o", "1.33.9"),
    ] {
        node.runtime.call_itself(name, version);
        let expected = format!(
            "warning runtime: {name} {version} answers at /proc/self/cwd/cri.sock; \
             the agent supports containerd from 1.7 on and cri-o from 1.34 on"
        );
        check.finds_only(&expected).await;
    }
    node.runtime.fault(Some(Status::unimplemented(
        "unknown service runtime.v1.RuntimeService",
    )));
    check
        .finds_only("does not answer as a container runtime: Unimplemented: unknown service")
        .await;
    node.runtime.fault(Some(Status::internal("a\u{1b}[31m\nb")));
    check.finds_only("Internal: a\\u{1b}[31m\\nb").await;
    node.runtime.down().await;
    check
        .finds_only("fault runtime: /proc/self/cwd/cri.sock is not there")
        .await;
    std::fs::write(node.path().join("cri.sock"), "").unwrap();
    check
        .finds_only("fault runtime: /proc/self/cwd/cri.sock is not a socket")
        .await;
    std::fs::remove_file(node.path().join("cri.sock")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(node.path().join("cri.sock")).unwrap());
    check
        .finds_only("cri.sock cannot be opened: Connection refused")
        .await;
}

#[tokio::test]
async fn the_kubelets_socket_and_who_tells_in_its_place() {
    let node = node().await;
    node.kubelet.down().await;
    let auto = || Check::of(&node);
    assert_eq!(
        auto().finds().await,
        [""; 0],
        "kubelets before 1.37 have none"
    );
    let text = auto().text().await;
    assert!(text.contains("from the API server: /proc/self/cwd/pods.sock is not there"));
    node.api.reviews().minor = "37";
    auto()
        .finds_only("warning evidence: from the API server: /proc/self/cwd/pods.sock is not there")
        .await;
    let kubelet = || auto().with("evidence", "kubelet");
    // As the component kubelet-only has it.
    node.api
        .reviews()
        .allowed
        .retain(|may| !matches!(may.as_str(), "list pods" | "watch pods"));
    kubelet()
        .finds_only("fault evidence: from nobody: /proc/self/cwd/pods.sock is not there")
        .await;
    std::fs::write(node.path().join("pods.sock"), "").unwrap();
    kubelet().finds_only("pods.sock is not a socket").await;
    node.kubelet.up();
    assert_eq!(kubelet().finds().await, [""; 0]);
    node.kubelet
        .fault(Some(Status::failed_precondition("starting")));
    kubelet()
        .finds_only("does not tell of Pods: FailedPrecondition: starting")
        .await;
    let asked = node.kubelet.asked();
    let server = auto().with("evidence", "apiserver");
    assert!(
        server
            .finds()
            .await
            .iter()
            .all(|found| found.contains("may not"))
    );
    assert_eq!(node.kubelet.asked(), asked, "it was not to be opened");
}

#[tokio::test]
async fn folders_that_cannot_be_written_to() {
    let node = node().await;
    let check = Check::of(&node);
    // Not even by root.
    let state = check.with("state-dir", "/proc/sys");
    state
        .finds_only("fault state folder: /proc/sys cannot be written to")
        .await;
    let log = Check::of(&node).with("log-dir", "/dev/null/log");
    log.finds_only("fault log folder: /dev/null/log").await;
    let control = Check::of(&node).with("control-socket", "/proc/sys/made/control.sock");
    control
        .finds_only("fault control socket: /proc/sys/made/control.sock cannot be made")
        .await;
    std::fs::create_dir_all(node.path().join("log")).unwrap();
    let text = Check::of(&node).text().await;
    assert!(text.contains("/proc/self/cwd/log can be written to"));
    assert_eq!(
        std::fs::read_dir(node.path().join("log")).unwrap().count(),
        0
    );
}

#[tokio::test]
async fn an_agent_that_runs_already_is_no_fault() {
    let node = node().await;
    let agent = node.agent();
    let listener = control::bind(&node.path().join("control.sock"))
        .await
        .unwrap();
    let served = tokio::spawn(control::serve(listener, agent.ask.clone()));
    let check = Check::of(&node);
    assert_eq!(check.finds().await, [""; 0]);
    let text = check.text().await;
    assert!(text.contains("an agent answers at"), "{text}");
    served.abort();
}

#[tokio::test]
async fn an_admin_address_that_is_anothers() {
    let node = node().await;
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    // Whoever listens there answers nothing.
    let answers = std::thread::spawn(move || drop(other.accept()));
    Check::of(&node)
        .with("admin-address", &address)
        .finds_only("is in use, and not by an agent")
        .await;
    answers.join().unwrap();
    // A network for documentation: no host has it.
    let elsewhere = Check::of(&node).with("admin-address", "192.0.2.1:9797");
    elsewhere
        .finds_only("192.0.2.1:9797 cannot be listened on")
        .await;
}

#[tokio::test]
async fn of_a_path_that_does_not_hold_text_nothing_is_made_up() {
    let node = node().await;
    let check = Check::of(&node).with("cri-socket", "/proc/self/cwd/\u{202e}kcos");
    check
        .finds_only("/proc/self/cwd/\\u{202e}kcos is not there")
        .await;
    assert!(Path::new("/proc/self/cwd").exists());
}
