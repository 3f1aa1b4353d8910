//! What deploy/ brings to a node, as its administrator sees it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use testbed::{Image, Kind, Node, Progress};

use crate::cluster::{Cluster, name};
use crate::shapes::REGISTRY;

const USER: &str = "system:serviceaccount:pullwarden:pullwarden";

/// What is installed, by kubectl.
pub struct Installed<'a>(pub &'a Node);

impl Installed<'_> {
    /// Runs kubectl, which must succeed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.0.kubectl().args(arguments).output().unwrap();
        assert!(output.status.success(), "kubectl {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn apply(&self, kustomization: &str) {
        self.kubectl(&["apply", "-k", &folder(kustomization)]);
    }

    /// Changes what the agents go by, as an administrator would.
    pub fn configure(&self, text: &str) {
        let patch = json!({"data": {"config.yaml": text}}).to_string();
        self.kubectl(&[
            "-n",
            "pullwarden",
            "patch",
            "configmap",
            "pullwarden",
            "--type=merge",
            "-p",
            &patch,
        ]);
    }

    /// Switches off all writes of all agents.
    pub fn switch_off(&self) {
        self.apply("off");
    }

    /// Switches them on again.
    pub fn switch_on(&self) {
        self.kubectl(&["delete", "-k", &folder("off")]);
    }

    /// What `pullwarden status` says in the agent's own container.
    pub fn status(&self) -> Option<Value> {
        let arguments = [
            "-n",
            "pullwarden",
            "exec",
            "ds/pullwarden",
            "--",
            "/pullwarden",
            "status",
            "-o",
            "json",
        ];
        let output = self.0.kubectl().args(arguments).output().unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    /// The agent's log; empty while its container is being made.
    pub fn log(&self) -> String {
        let arguments = ["-n", "pullwarden", "logs", "ds/pullwarden"];
        let output = self.0.kubectl().args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Who asked the API server in the agents' name, and from where.
    pub fn addresses(&self) -> BTreeSet<String> {
        let text = std::fs::read_to_string(self.0.audit_log()).unwrap();
        let entries = text.lines().filter(|line| line.contains(USER));
        let entries = entries.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let own = entries.filter(|entry| entry["user"]["username"] == USER);
        own.map(|entry| entry["sourceIPs"][0].as_str().unwrap().to_owned())
            .collect()
    }
}

pub fn folder(kustomization: &str) -> String {
    format!("{}/deploy/{kustomization}", env!("CARGO_MANIFEST_DIR"))
}

/// Brings the image to the node under the name that the manifests ask for.
pub fn bring(node: &Node) {
    node.import(&image_name(), &agents_image()).unwrap();
}

/// The name of the agents' image in the manifests.
pub fn image_name() -> String {
    let manifest = std::fs::read_to_string(folder("base/daemonset.yaml")).unwrap();
    let mut lines = manifest.lines();
    let name = lines.find_map(|line| line.trim().strip_prefix("image: "));
    name.unwrap().to_owned()
}

/// The agents' image, as `testbed image` makes it.
pub fn agents_image() -> Image {
    let program =
        std::env::var("TESTBED_AGENT").expect("TESTBED_AGENT is set by `testbed test deployed::`");
    Image::of_agent(Path::new(&program)).unwrap()
}

/// Waits until the agent's Pod is ready, one of another name than `before`.
pub async fn ready(home: &Cluster, before: Option<&str>) -> Value {
    let is_ready = |pod: &Value| {
        let conditions = pod["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        conditions
            .iter()
            .any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    let found = || async {
        let pods = home.pods().await;
        pods.into_iter()
            .find(|pod| is_ready(pod) && Some(name(pod)) != before)
    };
    home.until("the agent's Pod to be ready", found).await
}

pub async fn until_status(
    cluster: &Cluster,
    installed: &Installed<'_>,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) {
    let so = || async {
        installed
            .status()
            .filter(|status| is_so(status))
            .map(|_| ())
    };
    cluster.until(what, so).await;
}

impl Installed<'_> {
    /// Has the agent's own program look whether it has what it needs. It must find no fault.
    pub fn check(&self) -> String {
        let command = [
            "/pullwarden",
            "check",
            "--config",
            "/etc/pullwarden/config.yaml",
        ];
        let exec = ["-n", "pullwarden", "exec", "ds/pullwarden", "--"];
        let found = self.kubectl(&[&exec[..], &command[..]].concat());
        eprintln!("{found}");
        found
    }

    /// Runs helm, which must succeed.
    fn helm(&self, arguments: &[&str]) {
        let mut helm = self.0.helm().unwrap();
        let output = helm.args(arguments).output().unwrap();
        assert!(output.status.success(), "helm {arguments:?}: {output:?}");
    }

    pub fn install_chart(&self, values: &[&str]) {
        let chart = folder("chart");
        let mut arguments = vec!["install", "pullwarden", &chart, "--namespace=pullwarden"];
        arguments.push("--create-namespace");
        arguments.extend(values.iter().flat_map(|value| ["--set", value]));
        self.helm(&arguments);
    }

    /// Pushes the image and the chart to the node's registry, and installs the chart from there.
    pub fn install_from_registry(&self) {
        let version = env!("CARGO_PKG_VERSION");
        let node = self.0;
        let dir = node.dir().join("published");
        let image = agents_image();
        let crane = testbed::build(&Kind::Crane.default_family().unwrap(), Progress::new(false));
        let crane = node.command(crane.unwrap().join("crane"));
        let repository = format!("{REGISTRY}/tools/pullwarden");
        let reference = format!("{repository}:{version}");
        let pushed = image.push(&reference, &dir.join("image"), crane).unwrap();
        assert!(pushed.ends_with(&image.manifest.digest), "{pushed}");

        let folder_of_charts = dir.display().to_string();
        self.helm(&[
            "package",
            &folder("chart"),
            "--destination",
            &folder_of_charts,
        ]);
        let packed = format!("{folder_of_charts}/pullwarden-{version}.tgz");
        let charts = format!("oci://{REGISTRY}/charts");
        self.helm(&["push", &packed, &charts, "--plain-http"]);
        self.helm(&[
            "install",
            "pullwarden",
            &format!("{charts}/pullwarden"),
            "--plain-http",
            "--version",
            version,
            "--namespace=pullwarden",
            "--create-namespace",
            "--set",
            &format!("image.repository={repository}"),
        ]);
    }

    pub fn upgrade_chart(&self, values: &[&str]) {
        let chart = folder("chart");
        let mut arguments = vec!["upgrade", "pullwarden", &chart, "--namespace=pullwarden"];
        arguments.extend(values.iter().flat_map(|value| ["--set", value]));
        self.helm(&arguments);
    }

    pub fn uninstall_chart(&self) {
        self.helm(&["uninstall", "pullwarden", "--namespace=pullwarden"]);
    }

    /// The agents' namespace; empty if it is gone.
    pub fn namespace(&self) -> String {
        self.kubectl(&[
            "get",
            "namespace/pullwarden",
            "--ignore-not-found",
            "-oname",
        ])
    }

    /// What an uninstall has left behind in the cluster.
    pub fn remains(&self) -> String {
        let kinds = "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings";
        let all = self.kubectl(&["get", kinds, "-oname"]);
        let ours = all.lines().filter(|name| name.contains("pullwarden"));
        // Those of tests on this node have other names.
        ours.collect::<Vec<_>>().join("\n")
    }

    /// The environment of the agent's process.
    pub fn environment(&self) -> Vec<String> {
        let pid = self.process().expect("the agent runs");
        let text = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        text.split('\0').map(str::to_owned).collect()
    }

    /// The agent's process, as the host sees it.
    pub fn process(&self) -> Option<u32> {
        let id = &self.0.plan().id;
        let entries = std::fs::read_dir("/proc").unwrap();
        let mut pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.find(|pid: &u32| {
            let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
            let is_agent = read("cmdline").is_ok_and(|line| line.starts_with("/pullwarden\0run\0"));
            // Other tests may run an agent like this on a node of their own.
            is_agent && read("cgroup").is_ok_and(|groups| groups.contains(id))
        })
    }
}

/// The state of the agent's only container, in the Pod's status.
pub fn agents_container(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]
}
