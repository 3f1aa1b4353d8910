//! Every command of the documentation, run as it stands there. Pages tell things in their own order: here is the one of an administrator.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::json;
use testbed::{Image, Node};

use super::installed::{Installed, bring, until_status};
use super::{COUNT, until_gone};
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us};
use crate::job_policy::SERVED_FROM;
use crate::shapes::{REGISTRY, container, pod};

/// What builds or tests this repository. `cargo soak first_time::` runs these, in a clean clone.
const BUILDS: [&str; 4] = [
    "cargo demo",
    "cargo test-all",
    "cargo build --release",
    "cargo run -p testbed -- image",
];

/// What ends only when it is ended.
const RUNS: &str = "pullwarden run";

/// Everything is the shell's own but the node's logs, which are where an agent writes them.
const SHELL: &str = r#"mkdir -p "$LOGS"
mount --make-rprivate /
mount -t tmpfs none /var/log
mkdir /var/log/pullwarden
mount --bind "$LOGS" /var/log/pullwarden
eval "$1""#;

/// The documentation, and a folder in which it holds.
struct Docs<'a> {
    node: &'a Node,
    dir: PathBuf,
    /// Of each page the blocks of commands that were not run yet.
    left: BTreeMap<String, VecDeque<String>>,
}

impl<'a> Docs<'a> {
    fn of(node: &'a Node) -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dir = node.dir().join("documented");
        let docs = Self {
            node,
            left: pages(workspace),
            dir,
        };
        let programs = &node.plan().programs;
        docs.link("bin/kubectl", &programs.kubernetes.join("kubectl"));
        docs.link("bin/ctr", &programs.containerd.join("ctr"));
        docs.link("bin/helm", Path::new(node.helm().unwrap().get_program()));
        let ours = Path::new(env!("CARGO_BIN_EXE_pullwarden"));
        docs.link("bin/pullwarden", ours);
        docs.link("target/release/pullwarden", ours);
        docs.link("deploy", &workspace.join("deploy"));
        docs.write("bin/sudo", "#!/bin/sh\nexec \"$@\"\n");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(docs.dir.join("bin/sudo"), executable).unwrap();
        docs.write("config.yaml", "nodeName: node1\nmode: observe\n");
        docs.write("enforce.yaml", "mode: enforce\nimagePullFailureCount: 3\n");
        docs.write("patient.yaml", "thresholds: {permanent: {for: 1h}}\n");
        docs.write("messages", "\"pull QPS exceeded\"\n\"no such thing\"\n");
        let program = std::env::var("TESTBED_AGENT").unwrap();
        let image = Image::of_agent(Path::new(&program)).unwrap();
        let archive = image.archive("pullwarden.test/pullwarden:imported");
        let path = docs.dir.join("target/pullwarden-image.tar");
        fs::write(path, archive.unwrap()).unwrap();
        docs
    }

    fn link(&self, name: &str, target: &Path) {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The logs of the node, as they are now, in a folder of this name.
    fn collect_logs(&self, name: &str) {
        let log = fs::read_to_string(self.logs().join("pulls.jsonl")).unwrap();
        self.write(&format!("{name}/pulls.jsonl"), &log);
    }

    fn logs(&self) -> PathBuf {
        self.node.dir().join("private/log/pullwarden")
    }

    fn next(&mut self, page: &str) -> String {
        let block = self.left.get_mut(page).and_then(VecDeque::pop_front);
        block.unwrap_or_else(|| panic!("{page} has no further block of commands"))
    }

    fn shell(&self, commands: &str) -> Command {
        let path = std::env::var("PATH").unwrap();
        let (node, at) = (self.node, |name: &str| self.dir.join(name));
        let mut shell = node.command("unshare");
        shell
            .args(["--mount", "sh", "-ec", SHELL, "sh", commands])
            .current_dir(&self.dir)
            .env("PATH", format!("{}:{path}", at("bin").display()))
            .env("LOGS", self.logs())
            .env("KUBECONFIG", node.admin_kubeconfig())
            .env("CONTAINERD_ADDRESS", node.cri_socket())
            .env("PULLWARDEN_KUBECONFIG", node.agent_kubeconfig())
            .env("PULLWARDEN_CRI_SOCKET", node.cri_socket())
            .env("PULLWARDEN_KUBELET_PODS_SOCKET", node.kubelet_pods_socket())
            .env("PULLWARDEN_STATE_DIR", at("state"))
            .env("PULLWARDEN_LOG_DIR", at("log"))
            .env("PULLWARDEN_ADMIN_ADDRESS", "127.0.0.1:0")
            .env("PULLWARDEN_CONTROL_SOCKET", at("control.sock"));
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            shell.env(name, at("helm"));
        }
        shell
    }

    /// What some commands print, which must succeed.
    fn print(&self, commands: &str) -> String {
        let output = self.shell(commands).output().unwrap();
        assert!(output.status.success(), "{commands}\n{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the next block of a page.
    fn run(&mut self, page: &str) -> String {
        let block = self.next(page);
        self.print(&block)
    }

    /// Runs the next block of a page, one line after the other; an agent that one of them starts goes on meanwhile.
    async fn run_by_hand(&mut self, page: &str, cluster: &Cluster) -> String {
        let (mut printed, mut agent) = (String::new(), None);
        for line in self.next(page).lines() {
            if !line.contains(RUNS) {
                printed += &self.print(line);
                continue;
            }
            agent = Some(Ended(self.shell(&format!("exec {line}")).spawn().unwrap()));
            let answers = || async {
                let status = self.shell("pullwarden status").output().unwrap();
                status.status.success().then_some(())
            };
            cluster.until("the agent to answer", answers).await;
        }
        assert!(agent.is_some(), "{page} runs no agent");
        printed
    }

    /// Runs the next block of a page, if there is the program for it.
    fn run_with(&mut self, program: &str, page: &str) -> Option<String> {
        let block = self.next(page);
        let known = self
            .shell(&format!("command -v {program}"))
            .output()
            .unwrap();
        if !known.status.success() {
            eprintln!("there is no {program} here: not run:\n{block}");
            return None;
        }
        Some(self.print(&block))
    }
}

/// A process that ends with the value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Of each page for users the blocks of commands, without what builds.
fn pages(workspace: &Path) -> BTreeMap<String, VecDeque<String>> {
    let docs = ["docs", "docs/integrations"]
        .into_iter()
        .flat_map(|folder| {
            let entries = fs::read_dir(workspace.join(folder)).unwrap();
            entries.map(move |entry| format!("{folder}/{}", entry.unwrap().file_name().display()))
        });
    let docs = docs.filter(|name| name.ends_with(".md"));
    let others = ["README.md", "deploy/README.md", "SECURITY.md"].map(str::to_owned);
    let of = |name: String| {
        let text = fs::read_to_string(workspace.join(&name)).unwrap();
        let blocks = text.split("\n```sh\n").skip(1);
        let blocks = blocks.filter_map(|block| {
            let (block, _) = block.split_once("```").unwrap();
            let (builds, rest): (Vec<&str>, _) =
                block.lines().partition(|line| line.starts_with("cargo "));
            for line in builds {
                let command = line.split("  ").next().unwrap();
                assert!(BUILDS.contains(&command), "{name}: who runs `{command}`?");
            }
            // Where a reader is to put in the name of a node.
            let rest = rest
                .join("\n")
                .replace("spec.nodeName=NODE", "spec.nodeName=node1");
            (!rest.is_empty()).then_some(rest)
        });
        let blocks = blocks.collect();
        (name, blocks)
    };
    docs.chain(others).map(of).collect()
}

#[test]
fn every_command_of_the_documentation_does_what_is_said() {
    let bed = Bed::of(Group::Documented);
    bring(&bed.node);
    bed.run("team-a", |cluster| {
        let (node, minor) = (&bed.node, bed.minor());
        async move {
            let mut docs = Docs::of(node);
            observe(&mut docs, &cluster).await;
            enforce(&mut docs, &cluster).await;
            ask(&mut docs, &cluster).await;
            install_otherwise(&mut docs, &cluster).await;
            give_jobs_the_rule(&mut docs, minor);
            docs.left.retain(|_, blocks| !blocks.is_empty());
            assert!(docs.left.is_empty(), "not run: {:#?}", docs.left);
        }
    });
}

const STUCK: &str = "train-7x2kq";

fn image() -> String {
    format!("{REGISTRY}/documented/missing:1")
}

/// Installed, it says what it would do.
async fn observe(docs: &mut Docs<'_>, cluster: &Cluster) {
    let installed = Installed(docs.node);
    let rolled_out = docs.run("docs/adopting.md");
    assert!(
        rolled_out.contains("successfully rolled out"),
        "{rolled_out}"
    );
    let checked = docs.run("docs/adopting.md");
    assert!(checked.contains("runtime"), "{checked}");

    // Nobody waits ten minutes here.
    installed.configure("mode: observe\nwarmUp: 0s\n");
    let warm = |status: &serde_json::Value| status["warmUpLeftSeconds"] == 0;
    until_status(cluster, &installed, "the warm-up to be over", warm).await;
    let mut stuck = pod(STUCK, vec![container("main", &image())]);
    stuck["metadata"]["annotations"] = json!({COUNT: "1"});
    cluster.create(stuck).await;
    let told = || async {
        let events = cluster.events(STUCK).await;
        let would = |event: &serde_json::Value| event["reason"] == "ImagePullWouldFail";
        events.iter().any(would).then_some(())
    };
    cluster.until("what it would do to be told", told).await;
    let events = docs.run("docs/adopting.md");
    assert!(events.contains(&format!("pod/{STUCK}")), "{events}");
    let looked = docs.run("docs/runbook.md");
    assert!(
        looked.contains(STUCK) && looked.contains("ImageNotFound"),
        "{looked}"
    );
    docs.collect_logs("node-a");
    docs.collect_logs("node-b");
    let replayed = docs.run("docs/adopting.md");
    assert!(
        replayed.contains("enforce") && replayed.contains("patient"),
        "{replayed}"
    );
}

/// Raised to enforce, it does it; and all writes are switched off.
async fn enforce(docs: &mut Docs<'_>, cluster: &Cluster) {
    let installed = Installed(docs.node);
    docs.run("docs/adopting.md");
    // What the rollout leaves behind.
    docs.run("docs/adopting.md");
    let failed = cluster.until_failed(STUCK).await;
    assert_failed_by_us(&failed, "ImageNotFound", &image());
    let switch = [
        "-n",
        "pullwarden",
        "get",
        "configmap",
        "pullwarden-writes",
        "-ojsonpath={.data.writes}",
    ];
    for page in ["docs/adopting.md", "docs/runbook.md"] {
        installed.switch("on");
        docs.run(page);
        assert_eq!(installed.kubectl(&switch), "off", "{page}");
    }
    docs.run("README.md");
    assert_eq!(installed.kubectl(&switch), "on");
}

/// Run by hand, and asked why.
async fn ask(docs: &mut Docs<'_>, cluster: &Cluster) {
    // What an agent needs that is not installed by deploy/.
    let rbac = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/rbac.yaml");
    Installed(docs.node).kubectl(&["apply", "-f", rbac]);
    let told = docs.run_by_hand("README.md", cluster).await;
    assert!(told.contains(STUCK), "{told}");
    let explained = docs.run("README.md");
    assert!(
        explained.contains("unrecognised") || explained.contains("Unrecognised"),
        "{explained}"
    );
    let found = docs.run("README.md");
    let failed = format!("team-a/{STUCK}: ImageNotFound: ");
    assert!(
        found.lines().any(|line| line.starts_with(&failed)),
        "{found}"
    );
    let replayed = docs.run("README.md");
    assert!(replayed.contains(STUCK), "{replayed}");

    docs.collect_logs(".");
    if let Some(selected) = docs.run_with("jq", "docs/log.md") {
        assert!(selected.contains(&image()), "{selected}");
    }
    let replayed = docs.run("docs/log.md");
    assert!(replayed.contains(STUCK), "{replayed}");
    let explained = docs.run("docs/registries.md");
    assert!(explained.contains("means"), "{explained}");
    docs.run("docs/registries.md");
}

/// The other ways to install it, and that each is taken back.
async fn install_otherwise(docs: &mut Docs<'_>, cluster: &Cluster) {
    let installed = Installed(docs.node);
    docs.run("deploy/README.md");
    until_gone(cluster, &installed).await;
    assert_eq!(installed.remains(), "");

    docs.run("deploy/README.md");
    installed.kubectl(&["delete", "namespace", "pullwarden", "--wait=false"]);
    until_gone(cluster, &installed).await;
    assert_eq!(installed.remains(), "");

    let labelled = docs.run("deploy/README.md");
    assert!(
        labelled.contains("node/node1 labeled") && labelled.contains("node/node1 unlabeled"),
        "{labelled}"
    );
}

/// The policy for Jobs, where the API server has its kind.
fn give_jobs_the_rule(docs: &mut Docs<'_>, minor: u32) {
    let block = docs.next("docs/jobs.md");
    if minor < SERVED_FROM {
        eprintln!("Kubernetes 1.{minor} does not serve the policy's kind: not run:\n{block}");
        return;
    }
    let labelled = docs.print(&block);
    assert!(labelled.contains("namespace/team-a labeled"), "{labelled}");
}
