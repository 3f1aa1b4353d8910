use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use pullwarden::journal::log::NodeLog;
use pullwarden::judge::Source;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testbed::Node;

use crate::holder::Holder;
use crate::namespaces::{OWN, SHARED};

const NO_FLEET: &str = "{enabled: off}";

/// Limits of the fleet budget that hold no Pod.
const WIDE_FLEET: &str = "{pods: 1000, perRegistry: 1000, perNamespace: 1000, perOwner: 1000}";

/// What a test that is not about brakes wants of them. A test that is says otherwise.
const EASY: [(&str, &str); 4] = [
    ("budget", "{pods: 1000, perOwner: 1000}"),
    // The agents of tests that run side by side would share it, and one that is not the quickest holds its Pod once more.
    ("fleetBudget", NO_FLEET),
    ("registryBrake", "{repositories: 1000}"),
    ("newNodeBrake", "0s"),
];

/// DESIGN.md's defaults for every brake but the warm-up.
pub const DEFAULT_BRAKES: &str = "warmUp: 0s\nbudget: {}\nregistryBrake: {}\nnewNodeBrake: 1h\n";

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

    /// Holds it up: it reads and writes nothing until it may go on.
    pub fn hold(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The memory that is its own, in KiB.
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
        let size = line.and_then(|line| line.split_whitespace().next());
        size.unwrap().parse().unwrap()
    }

    /// Changes one of its settings while it runs.
    pub fn configure(&self, before: &str, after: &str) {
        let path = self.dir.join("config.yaml");
        let config = std::fs::read_to_string(&path).unwrap();
        assert!(config.contains(before), "{config}");
        std::fs::write(&path, config.replace(before, after)).unwrap();
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log.txt")).unwrap_or_default()
    }

    /// Its name, which is also the namespace that it answers for.
    pub fn name(&self) -> &str {
        self.dir.file_name().unwrap().to_str().unwrap()
    }

    /// The folder that its state is in.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// The lines of the node's log.
    pub fn lines(&self) -> Vec<Value> {
        let files = NodeLog::files(&self.dir.join("log")).into_iter();
        // Most of them are not there, or not yet.
        let texts = files.map(|file| std::fs::read(file).unwrap_or_default());
        let text = texts.collect::<Vec<_>>().concat();
        let text = String::from_utf8_lossy(&text);
        // A line without its end is being written.
        let written = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = written.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    }

    /// The lines of one kind.
    pub fn lines_of(&self, kind: &str) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line["kind"] == kind);
        lines
    }

    /// What `pullwarden status -o json` says, if the agent answers.
    pub fn status(&self) -> Option<Value> {
        serde_json::from_slice(&self.ask(&["status"]).stdout).ok()
    }

    /// What `pullwarden explain` says of a Pod, as JSON.
    pub fn explain(&self, pod: &str) -> Value {
        let output = self.ask(&["explain", pod]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn ask(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
        command.args(words).args(["-o", "json", "--config"]);
        command.arg(self.dir.join("config.yaml")).output().unwrap()
    }

    /// The report lines of the node's log that ended like this.
    pub fn reports(&self, ending: &str) -> Vec<Value> {
        let mut reports = self.lines_of("report");
        reports.retain(|line| line["ending"] == ending);
        reports
    }

    /// The failures counted now for a Pod's image; zero if the agent knows nothing of it.
    pub fn failures(&self, pod: &str) -> u64 {
        let status = self.status().unwrap_or_default();
        let pods = status["pods"].as_array().cloned().unwrap_or_default();
        let of_pod = pods.iter().filter(|entry| entry["pod"] == pod);
        of_pod.filter_map(|entry| entry["failures"].as_u64()).sum()
    }

    /// The source of the evidence that is open: `kubelet` or `apiserver`.
    pub fn source(&self) -> Option<String> {
        let status = self.status()?;
        let is_open = status["evidence"] == "open";
        status["evidenceSource"]
            .as_str()
            .filter(|source| is_open && !source.is_empty())
            .map(str::to_owned)
    }

    /// Judging again by the node's log comes to the same verdicts at the same moments, every one of them.
    fn assert_replayed(&self) {
        let files = NodeLog::files(&self.dir.join("log")).into_iter();
        let files: Vec<PathBuf> = files.filter(|file| file.is_file()).collect();
        let output = Command::new(env!("CARGO_BIN_EXE_pullwarden"))
            .args(["replay", "-o", "json"])
            .args(&files)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        let replayed: Value = serde_json::from_slice(&output.stdout).unwrap();
        let summary = &replayed["summary"][0];
        let verdicts = self.lines_of("verdict").len();
        eprintln!(
            "{}: {verdicts} verdicts replayed: {summary}",
            self.dir.display()
        );
        let same = [&summary["agreed"], &summary["disagreed"]];
        assert_eq!(same, [&Value::from(verdicts), &Value::from(0)], "{told}");
    }

    /// Failures of an image of a Pod that were counted until the agent decided to fail the Pod. The
    /// kubelet may try again before it hears of the write.
    pub fn failures_that_decided(&self, pod: &str, image: &str) -> usize {
        let verdicts = self.verdicts(pod);
        let last = verdicts
            .iter()
            .rposition(|line| line["decision"] == "condemn");
        let verdicts = verdicts.iter().take(last.map_or(0, |last| last + 1));
        verdicts.flat_map(counted).filter(|of| *of == image).count()
    }

    /// How often the node's log says that a failure of a Pod was counted.
    pub fn failures_logged(&self, pod: &str) -> usize {
        self.verdicts(pod).iter().flat_map(counted).count()
    }

    fn verdicts(&self, pod: &str) -> Vec<Value> {
        let verdicts = self.lines_of("verdict").into_iter();
        verdicts.filter(|line| line["pod"] == pod).collect()
    }
}

/// Images of which a verdict has counted a failure.
fn counted(verdict: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["failed", "inferred"].map(|list| verdict[list].as_array());
    lists.into_iter().flatten().flatten()
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
        } else {
            self.assert_replayed();
        }
    }
}

impl<'a> Plan<'a> {
    /// An agent of its own name, with these lines in its configuration.
    pub fn new(node: &'a Node, name: &str, config: &str) -> Self {
        Self::beside(node, name, name, config)
    }

    /// The agent takes a token of the fleet budget for each Pod that it fails.
    pub fn with_fleet_budget(mut self) -> Self {
        assert!(self.config.contains(NO_FLEET), "{}", self.config);
        self.config = self.config.replace(NO_FLEET, WIDE_FLEET);
        self
    }

    /// An agent called `name` that answers for the namespace `of`, as another may.
    pub fn beside(node: &'a Node, name: &str, of: &str, config: &str) -> Self {
        let dir = node.dir().join("agents").join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let mut others = OWN.to_vec();
        if OWN.contains(&of) {
            others.retain(|own| *own != of);
            others.extend(SHARED);
        }
        let others = others.join(", ");
        let mut config = config.to_owned();
        for (key, value) in EASY {
            if !config.contains(key) {
                config += &format!("{key}: {value}\n");
            }
        }
        let socket = node.cri_socket();
        let pods_socket = node.kubelet_pods_socket();
        let kubeconfig = node.agent_kubeconfig();
        let name = node.plan().place().name;
        let text = format!(
            "nodeName: {name}\n{config}scope: {{excludeNamespaces: [kube-system, {others}]}}\n\
             criSocket: {}\nkubeletPodsSocket: {}\nkubeconfig: {}\nstateDir: {dir}/state\nlogDir: {dir}/log\n\
             controlSocket: {dir}/control.sock\nadminAddress: 127.0.0.1:0\n",
            socket.display(),
            pods_socket.display(),
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

    /// With evidence from the API server, as on a kubelet without its own socket.
    pub fn by_apiserver(self) -> Self {
        self.by(Source::ApiServer)
    }

    /// With evidence from this source and no other.
    pub fn by(mut self, source: Source) -> Self {
        self.config += &format!("evidence: {}\n", source.as_str());
        self
    }

    /// With the kubelet's own socket there.
    pub fn pods_socket(mut self, socket: &Path) -> Self {
        let usual = self.node.kubelet_pods_socket().display().to_string();
        self.config = self.config.replace(&usual, &socket.display().to_string());
        self
    }

    /// As the agent of this Pod, with this token.
    pub fn held(mut self, own: &Value, token: &str) -> Self {
        let usual = self.node.agent_kubeconfig().display().to_string();
        let kubeconfig = Holder::kubeconfig(self.node, token, &self.dir);
        self.config = self
            .config
            .replace(&usual, &kubeconfig.display().to_string());
        let name = own["metadata"]["name"].as_str().unwrap();
        self.config += &format!("ownPod: pullwarden/{name}\n");
        self
    }

    /// With these rules for namespaces.
    pub fn namespaces(self, rules: &str) -> Self {
        self.scope(&format!("namespaces: {rules}"))
    }

    /// With these keys in `scope`.
    pub fn scope(mut self, keys: &str) -> Self {
        let with = format!("scope: {{{keys}, ");
        self.config = self.config.replace("scope: {", &with);
        self
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
