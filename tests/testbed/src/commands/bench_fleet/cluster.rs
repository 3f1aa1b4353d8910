//! The control plane without what comes with a node, and the Pods that the scenes make.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testbed::{Component, Node};
use tokio::runtime::Runtime;

use super::BenchFleet;
use super::agents;
use super::api::Api;
use super::nodes::{Nodes, Rhythm};
use crate::commands::cargo::workspace;
use crate::commands::kubectl::{create, kubectl};
use crate::commands::patience::Patience;

/// Namespaces of the scenes' Pods.
pub const NAMESPACES: [&str; 5] = ["job", "crowd", "restart", "nobody", "usual"];
/// Longest time for a namespace to be furnished.
static FURNISHED: LazyLock<Duration> = LazyLock::new(|| testbed::longest(10));
/// The parts of deploy/base that the API server holds agents with.
const SHIPPED: [&str; 4] = ["namespace", "rbac", "rbac-apiserver", "fleet"];
/// Parts beside the API server and etcd, which are not needed any more.
const NEEDLESS: [Component; 6] = [
    Component::Kubelet,
    Component::Scheduler,
    Component::ControllerManager,
    Component::Runtime,
    Component::Faults,
    Component::Registry,
];

/// The API server, and the nodes that are not there.
pub struct Cluster {
    /// The fakes' own thread is in it.
    pub runtime: Runtime,
    pub api: Arc<Api>,
    pub nodes: Arc<Nodes>,
    /// A token for each agent.
    pub tokens: Vec<String>,
    /// Folder of the nodes' sockets.
    pub sockets: PathBuf,
}

impl Cluster {
    pub fn prepare(node: &Node, sizes: &BenchFleet, patience: Patience<'_>) -> Result<Self> {
        node.enter()?;
        for name in NAMESPACES {
            let namespace =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            create(node, &namespace)?;
        }
        let account = |name| {
            let get = ["get", "serviceaccount", "default", "-oname", "-n", name];
            kubectl(node, &get).is_ok()
        };
        let furnished = patience.until("waiting for namespaces", *FURNISHED, || {
            NAMESPACES.into_iter().all(account)
        })?;
        ensure!(furnished, "namespaces have no service account");
        for component in NEEDLESS {
            node.stop_component(component)?;
        }
        for file in SHIPPED.into_iter().chain(["policy"]) {
            let path = workspace(&format!("deploy/base/{file}.yaml"));
            let path = path.to_str().context("the workspace's path is no text")?;
            kubectl(node, &["apply", "-f", path])?;
        }

        let network = Node::attach(node.dir())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .on_thread_start(move || {
                // Nothing is reached from outside; the first request says so.
                let _entered = network.enter();
            })
            .build()
            .context("making a runtime")?;
        let api = Arc::new(Api::new(&node.admin_kubeconfig())?);
        let agents = usize::try_from(sizes.agents)?;
        let sockets = node.dir().join("nodes");
        let started = {
            let _context = runtime.enter();
            Nodes::start(
                &sockets,
                Arc::clone(&api),
                agents,
                usize::try_from(sizes.sockets)?,
            )
        };
        let nodes = started?;
        runtime.block_on(async {
            for namespace in NAMESPACES {
                nodes.follow(namespace);
            }
        });
        patience.pass("making tokens", Duration::ZERO)?;
        let tokens = runtime.block_on(agents::tokens(&api, agents))?;
        Ok(Self {
            runtime,
            api,
            nodes,
            tokens,
            sockets,
        })
    }

    /// Makes a Job with a Pod on each node whose image does not exist.
    pub fn job(&self, namespace: &str, rhythm: Rhythm) -> Result<()> {
        let pod = pod(namespace, "registry-a.test/missing:1");
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "job", "namespace": namespace},
            "spec": {"parallelism": self.tokens.len(), "completions": self.tokens.len(), "template": {"spec": pod["spec"]}},
        });
        let path = format!("/apis/batch/v1/namespaces/{namespace}/jobs");
        let job = self.runtime.block_on(self.api.ask("POST", &path, &job))?;
        let mut pod = pod;
        pod["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "batch/v1", "kind": "Job", "controller": true,
            "name": "job", "uid": job["metadata"]["uid"],
        }]);
        self.runtime.block_on(self.nodes.make(pod, rhythm))
    }

    /// Makes a Pod on each node that belongs to nobody, and whose image does not exist.
    pub fn pods(&self, namespace: &str, rhythm: Rhythm) -> Result<()> {
        let pod = pod(namespace, "registry-b.test/missing:1");
        self.runtime.block_on(self.nodes.make(pod, rhythm))
    }

    /// Pods of a namespace that an agent has failed: our condition stands on them, and they are Failed.
    pub fn failed(&self, namespace: &str) -> Result<usize> {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let list = self
            .runtime
            .block_on(self.api.ask("GET", &path, &Value::Null))?;
        let pods = list["items"].as_array().context("the list has no items")?;
        let is_ours = |condition: &Value| {
            condition["type"] == "pullwarden.io/ImagePullFailed" && condition["status"] == "True"
        };
        let marked = |pod: &&Value| {
            let conditions = pod["status"]["conditions"].as_array();
            conditions.into_iter().flatten().any(is_ours)
        };
        let failed = pods
            .iter()
            .filter(|pod| pod["status"]["phase"] == "Failed")
            .count();
        let marked = pods.iter().filter(marked).count();
        ensure!(
            failed == marked,
            "{marked} Pods have our condition and {failed} are Failed"
        );
        Ok(failed)
    }

    /// Removes the Pods of all scenes.
    pub fn clear(&self) -> Result<()> {
        self.nodes.forget();
        for namespace in NAMESPACES {
            let path = format!("/api/v1/namespaces/{namespace}/pods?gracePeriodSeconds=0");
            self.runtime
                .block_on(self.api.ask("DELETE", &path, &Value::Null))?;
        }
        Ok(())
    }
}

fn pod(namespace: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": image}],
        },
    })
}
