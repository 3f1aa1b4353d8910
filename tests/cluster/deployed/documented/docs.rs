//! The commands of the documentation, page by page, and the folder in which they are run.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use testbed::Node;

use super::super::installed::{agents_image, image_name};
use crate::cluster::Cluster;
use crate::shapes::REGISTRY;

/// Commands that build or test this repository. `cargo soak first_time::` runs them in a clean clone, but the one that pushes:
/// `Installed::install_from_registry` shows that.
const BUILDS: [&str; 5] = [
    "cargo demo",
    "cargo test-all",
    "cargo build --release",
    "cargo run -p testbed -- image",
    "cargo run -p testbed -- image --push registry.example/tools/pullwarden:0.1.0",
];

/// Image of the bad Job, in a registry that the tests cannot reach.
const MISSING: &str = "registry.k8s.io/pause:no-such-tag";

/// Command that ends only when it is ended.
const RUNS: &str = "pullwarden run";

/// Everything is the shell's own but the node's logs, which are where an agent writes them.
const SHELL: &str = r#"mkdir -p "$LOGS"
mount --make-rprivate /
mount -t tmpfs none /var/log
mkdir /var/log/pullwarden
mount --bind "$LOGS" /var/log/pullwarden
eval "$1""#;

/// The documentation, and a folder in which it holds.
pub struct Docs<'a> {
    pub node: &'a Node,
    dir: PathBuf,
    /// Of each page the blocks of commands that were not run yet.
    pub left: BTreeMap<String, VecDeque<String>>,
}

impl<'a> Docs<'a> {
    pub fn of(node: &'a Node) -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dir = node.dir().join("documented");
        let docs = Self {
            node,
            left: pages(workspace),
            dir,
        };
        let programs = &node.plan().programs;
        docs.link("bin/kubectl", &programs.kubernetes.join("kubectl"));
        docs.link("bin/ctr", &programs.runtime.join("ctr"));
        docs.link("bin/helm", Path::new(node.helm().unwrap().get_program()));
        let ours = Path::new(env!("CARGO_BIN_EXE_pullwarden"));
        docs.link("bin/pullwarden", ours);
        docs.link("target/release/pullwarden", ours);
        docs.link("deploy", &workspace.join("deploy"));
        docs.copy_examples(workspace);
        docs.write("bin/sudo", "#!/bin/sh\nexec \"$@\"\n");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(docs.dir.join("bin/sudo"), executable).unwrap();
        docs.write("config.yaml", "nodeName: node1\nmode: observe\n");
        docs.write("enforce.yaml", "mode: enforce\nimagePullFailureCount: 3\n");
        docs.write(
            "unlimited.yaml",
            "mode: enforce\nimagePullFailureCount: 3\nfleetBudget: {enabled: off}\n",
        );
        docs.write("patient.yaml", "thresholds: {permanent: {for: 1h}}\n");
        docs.write("messages", "\"pull QPS exceeded\"\n\"no such thing\"\n");
        let archive = agents_image().archive(&image_name());
        let path = docs.dir.join("target/pullwarden-image.tar");
        fs::write(path, archive.unwrap()).unwrap();
        docs
    }

    fn link(&self, name: &str, target: &Path) {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// Copies the examples. The registry of the bad Job is the testbed's, which is asked for the image in its place.
    fn copy_examples(&self, workspace: &Path) {
        for entry in fs::read_dir(workspace.join("docs/examples")).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let text = text.replace(MISSING, &format!("{REGISTRY}/documented/no-such-image:1"));
            let name = path.file_name().unwrap().display();
            self.write(&format!("docs/examples/{name}"), &text);
        }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The logs of the node, as they are now, in a folder of this name.
    pub fn collect_logs(&self, name: &str) {
        let log = fs::read_to_string(self.logs().join("pulls.jsonl")).unwrap();
        self.write(&format!("{name}/pulls.jsonl"), &log);
    }

    pub fn logs(&self) -> PathBuf {
        self.node.dir().join("private/log/pullwarden")
    }

    pub fn next(&mut self, page: &str) -> String {
        let block = self.left.get_mut(page).and_then(VecDeque::pop_front);
        block.unwrap_or_else(|| panic!("{page} has no further block of commands"))
    }

    pub fn shell(&self, commands: &str) -> Command {
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

    /// Runs commands, which must succeed, and returns the text that they print.
    pub fn print(&self, commands: &str) -> String {
        let output = self.shell(commands).output().unwrap();
        assert!(output.status.success(), "{commands}\n{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the next block of a page.
    pub fn run(&mut self, page: &str) -> String {
        let block = self.next(page);
        self.print(&block)
    }

    /// Runs the next block of a page, one line after the other; an agent that one of them starts goes on meanwhile.
    pub async fn run_by_hand(&mut self, page: &str, cluster: &Cluster) -> String {
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
    pub fn run_with(&mut self, program: &str, page: &str) -> Option<String> {
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
    let mut names = Vec::new();
    pages_below(workspace, "docs", &mut names);
    names.extend(["README.md", "deploy/README.md", "SECURITY.md"].map(str::to_owned));
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
    names.into_iter().map(of).collect()
}

/// Adds the names of all pages below a folder.
fn pages_below(workspace: &Path, folder: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(workspace.join(folder)).unwrap() {
        let name = format!("{folder}/{}", entry.unwrap().file_name().display());
        if workspace.join(&name).is_dir() {
            pages_below(workspace, &name, names);
        } else if name.ends_with(".md") {
            names.push(name);
        }
    }
}
