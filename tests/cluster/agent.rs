use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};

use serde_json::Value;
use testbed::Node;

/// Namespaces that a test's own agent answers for; everyone else's agents leave them alone.
pub const OWN: [&str; 9] = [
    "own-kill",
    "own-damaged",
    "own-full-disk",
    "own-observe",
    "own-opt-in",
    "own-slow",
    "own-door",
    "own-direct",
    "own-in-flight",
];

/// Namespaces that the groups' shared agents answer for.
pub const SHARED: [&str; 15] = [
    "default",
    "policy",
    "limit",
    "bare",
    "standing",
    "init",
    "mixed",
    "shared-image",
    "twenty",
    "healing",
    "scope",
    "next-cpu",
    "next-device",
    "quiet",
    "recovery",
];

/// How an agent is to be run.
pub struct Plan<'a> {
    node: &'a Node,
    dir: PathBuf,
    config: String,
    wrapper: Option<String>,
}

/// The real agent, as a process in the node's network. Ends with the value.
pub struct Agent {
    child: Child,
    command: Box<dyn Fn() -> Command + Send + Sync>,
    dir: PathBuf,
}

impl Agent {
    /// An agent that fails Pods after three failures, at once and as many as there are.
    pub fn enforcing<'a>(node: &'a Node, name: &str) -> Plan<'a> {
        Plan::new(
            node,
            name,
            "mode: enforce\nimagePullFailureCount: 3\nwarmUp: 0s\n",
        )
    }

    /// Ends it as the kernel would: nothing is saved.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, with the same files.
    pub fn start_again(&mut self) {
        self.child = (self.command)().spawn().unwrap();
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log.txt")).unwrap_or_default()
    }

    /// The folder that its state is in.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// The lines of the node's log.
    pub fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.join("log/pulls.jsonl")).unwrap_or_default();
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    }

    /// What `pullwarden status -o json` says, if the agent answers.
    pub fn status(&self) -> Option<Value> {
        let output = Command::new(env!("CARGO_BIN_EXE_pullwarden"))
            .args(["status", "-o", "json", "--config"])
            .arg(self.dir.join("config.yaml"))
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    /// The failures counted now for a Pod's image; zero if the agent knows nothing of it.
    pub fn failures(&self, pod: &str) -> u64 {
        let status = self.status().unwrap_or_default();
        let pods = status["pods"].as_array().cloned().unwrap_or_default();
        let of_pod = pods.iter().filter(|entry| entry["pod"] == pod);
        of_pod.filter_map(|entry| entry["failures"].as_u64()).sum()
    }

    /// How often the node's log says that a failure of a Pod was counted.
    pub fn failures_logged(&self, pod: &str) -> usize {
        let lines = self.lines();
        let of_pod = lines
            .iter()
            .filter(|line| line["kind"] == "verdict" && line["pod"] == pod);
        of_pod
            .map(|line| line["failed"].as_array().map_or(0, Vec::len))
            .sum()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.lines().rev().take(40).collect::<Vec<_>>();
            eprintln!("--- the end of the agent's log, {}:", self.dir.display());
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
        }
    }
}

impl<'a> Plan<'a> {
    /// An agent of its own name, with these lines in its configuration.
    pub fn new(node: &'a Node, name: &str, config: &str) -> Self {
        let dir = node.dir().join("agents").join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let mut others = OWN.to_vec();
        if OWN.contains(&name) {
            others.retain(|own| *own != name);
            others.extend(SHARED);
        }
        let others = others.join(", ");
        let socket = node.cri_socket();
        let kubeconfig = node.agent_kubeconfig();
        let text = format!(
            "nodeName: node1\n{config}budget: {{pods: 1000, perOwner: 1000}}\n\
             scope: {{excludeNamespaces: [kube-system, {others}]}}\n\
             criSocket: {}\nkubeconfig: {}\nstateDir: {dir}/state\nlogDir: {dir}/log\n\
             controlSocket: {dir}/control.sock\nadminAddress: 127.0.0.1:0\n",
            socket.display(),
            kubeconfig.display(),
            dir = dir.display(),
        );
        Self {
            node,
            dir,
            config: text,
            wrapper: None,
        }
    }

    /// Runs this shell script first, in a mount namespace of the agent's own; `$STATE` is its state folder.
    pub fn after(mut self, script: &str) -> Self {
        self.wrapper = Some(script.to_owned());
        self
    }

    /// Starts it.
    pub fn start(self) -> Agent {
        let config = self.dir.join("config.yaml");
        std::fs::write(&config, &self.config).unwrap();
        let binary = env!("CARGO_BIN_EXE_pullwarden");
        let state = self.dir.join("state");
        std::fs::create_dir_all(&state).unwrap();
        let log = self.dir.join("log.txt");
        let namespace = self.node.dir().to_owned();
        let wrapper = self.wrapper;
        let command = move || {
            let node = Node::attach(&namespace).unwrap();
            let mut command = match &wrapper {
                None => node.command(binary),
                Some(script) => {
                    let mut command = node.command("unshare");
                    let script = format!("{script} && exec \"$0\" \"$@\"");
                    command.args(["--mount", "sh", "-c", &script, binary]);
                    command
                }
            };
            let log = File::options()
                .create(true)
                .append(true)
                .open(&log)
                .unwrap();
            command
                .env("STATE", &state)
                .arg("run")
                .arg("--config")
                .arg(&config);
            command.stdout(log.try_clone().unwrap()).stderr(log);
            command
        };
        Agent {
            child: command().spawn().unwrap(),
            command: Box::new(command),
            dir: self.dir,
        }
    }
}
