//! The nodes that are not there: a fake runtime and a fake kubelet each, all served by this process.
//!
//! A fake kubelet reports failed pulls to the API server, and on its own socket where it has one. When a Pod's
//! deadline has passed it reports phase Failed, as a kubelet does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testbed::fakes::{KubeletPods, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::api::Api;

/// Healthy Pods on each node: the agent settles them at its start.
const HEALTHY: u32 = 10;
/// Longest time for which a failed pull is shown before the back-off.
const SHOWN: Duration = Duration::from_secs(10);
/// Time that a pull takes.
const PULL: Duration = Duration::from_secs(2);
/// The first back-off; each one is twice as long.
const BACK_OFF: Duration = Duration::from_secs(10);
/// From a passed deadline to the report of phase Failed.
const PROMPT: Duration = Duration::from_secs(1);

/// The Pod of a fake kubelet.
#[derive(Debug, Clone)]
struct Pod(Value);

impl AsRef<Value> for Pod {
    fn as_ref(&self) -> &Value {
        &self.0
    }
}

/// A node.
#[derive(Debug)]
pub struct FakeNode {
    pub name: String,
    runtime: Runtime,
    kubelet: KubeletPods,
}

/// Sockets of a node, in the folder of all.
#[derive(Debug)]
pub struct Sockets {
    pub cri: PathBuf,
    pub kubelet: PathBuf,
}

impl Sockets {
    pub fn of(dir: &Path, node: usize) -> Self {
        Self {
            cri: dir.join(format!("{node}.cri")),
            kubelet: dir.join(format!("{node}.pods")),
        }
    }
}

/// A Pod as the fake kubelets know it.
#[derive(Debug, Default)]
pub struct Kept {
    /// Pulls that have failed.
    pub attempts: AtomicU32,
    /// The Pod's deadline is set, or the Pod is deleted.
    over: Notify,
    /// It has no more pulls.
    is_over: AtomicBool,
}

/// When the pulls of a group of Pods fail.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// The first pull fails so long after the Pod was made, or after all were made.
    pub first: Duration,
    /// All Pods begin within this time.
    pub spread: Duration,
}

/// All of them.
pub struct Nodes {
    pub api: Arc<Api>,
    all: Vec<Arc<FakeNode>>,
    /// By UID.
    kept: Mutex<BTreeMap<String, Arc<Kept>>>,
}

impl Nodes {
    /// So many nodes, whose sockets are in this folder. So many of each hundred have a kubelet's socket.
    pub fn start(dir: &Path, api: Arc<Api>, nodes: usize, sockets: usize) -> Result<Arc<Self>> {
        fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        let node = |index: usize| {
            let at = Sockets::of(dir, index);
            let node = FakeNode {
                name: name(index),
                runtime: Runtime::at(&at.cri),
                kubelet: KubeletPods::at(&at.kubelet),
            };
            for nth in 0..HEALTHY {
                let name = format!("healthy-{nth}");
                let uid = format!("{index}-{nth}");
                let pod = json!({"metadata": {"name": name, "namespace": "healthy", "uid": uid}});
                node.runtime.add(&Pod(pod.clone()));
                node.runtime.add_container(&Pod(pod));
            }
            node.runtime.up();
            if (index * sockets) % 100 < sockets {
                node.kubelet.up();
            }
            Arc::new(node)
        };
        Ok(Arc::new(Self {
            api,
            all: (0..nodes).map(node).collect(),
            kept: Mutex::default(),
        }))
    }

    /// Follows the Pods of a namespace: who has a deadline is to be ended.
    pub fn follow(self: &Arc<Self>, namespace: &str) {
        let nodes = Arc::clone(self);
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        tokio::spawn(async move {
            let on = |event: &Value| {
                let pod = &event["object"];
                let is_over =
                    pod["spec"]["activeDeadlineSeconds"] == 1 || event["type"] == "DELETED";
                let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
                let kept = nodes.kept().get(uid).cloned();
                if let (true, Some(kept)) = (is_over, kept) {
                    kept.over.notify_one();
                }
            };
            nodes.api.watch(&path, on).await;
        });
    }

    /// No node has a kubelet's socket from now on.
    pub async fn without_sockets(&self) {
        for node in &self.all {
            node.kubelet.down().await;
        }
    }

    /// Pulls that have failed, of each Pod that was made, by UID.
    pub fn attempts(&self) -> BTreeMap<String, u32> {
        let kept = self.kept();
        let attempts = kept.iter().map(|(uid, kept)| {
            let attempts = kept.attempts.load(Ordering::Relaxed);
            (uid.clone(), attempts)
        });
        attempts.collect()
    }

    /// The fewest pulls that have failed of one Pod, but of those that are over.
    pub fn fewest(&self) -> u32 {
        let kept = self.kept();
        let living = kept
            .values()
            .filter(|kept| !kept.is_over.load(Ordering::Relaxed));
        let attempts = living.map(|kept| kept.attempts.load(Ordering::Relaxed));
        attempts.min().unwrap_or(u32::MAX)
    }

    /// Forgets all Pods; their tasks end with them.
    pub fn forget(&self) {
        for kept in std::mem::take(&mut *self.kept()).into_values() {
            kept.over.notify_one();
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a Pod on each node from this one, whose image does not exist. Returns when all are made.
    pub async fn make(self: &Arc<Self>, pod: Value, rhythm: Rhythm) -> Result<()> {
        let mut making = JoinSet::new();
        for node in &self.all {
            let mut pod = pod.clone();
            let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
            let path = format!("/api/v1/namespaces/{namespace}/pods");
            pod["metadata"]["name"] = json!(format!("stuck-{}", node.name));
            pod["spec"]["nodeName"] = json!(node.name);
            let (nodes, node) = (Arc::clone(self), Arc::clone(node));
            making.spawn(async move {
                let made = nodes.api.ask("POST", &path, &pod).await?;
                Ok((node, made))
            });
        }
        let made = making.join_all().await;
        let made = made.into_iter().collect::<Result<Vec<_>>>()?;
        let count = u32::try_from(made.len())?;
        for (nth, (node, pod)) in (0..).zip(made) {
            let kept = Arc::<Kept>::default();
            let uid = pod["metadata"]["uid"].as_str().context("a Pod has a UID")?;
            self.kept().insert(uid.to_owned(), Arc::clone(&kept));
            let first = rhythm.first + rhythm.spread * nth / count;
            let life = Life {
                api: Arc::clone(&self.api),
                node,
                pod: Pod(pod),
                kept,
            };
            tokio::spawn(life.live(first));
        }
        Ok(())
    }
}

/// Name of a node.
pub fn name(index: usize) -> String {
    format!("node-{index:04}")
}

/// A Pod on its node.
struct Life {
    api: Arc<Api>,
    node: Arc<FakeNode>,
    pod: Pod,
    kept: Arc<Kept>,
}

impl Life {
    /// Pulls again and again, until the Pod is over.
    async fn live(mut self, first: Duration) {
        self.node.runtime.add(&self.pod);
        let kept = Arc::clone(&self.kept);
        // An error means that the Pod was deleted, and then nobody waits for its reports.
        let _lived = tokio::select! {
            () = kept.over.notified() => self.end().await,
            failed = self.fail(first) => failed,
        };
        kept.is_over.store(true, Ordering::Relaxed);
        self.node.runtime.remove(&self.pod);
        self.node.kubelet.remove(&self.pod);
    }

    async fn fail(&mut self, first: Duration) -> Result<()> {
        let image = self.pod.0["spec"]["containers"][0]["image"].clone();
        let image = image.as_str().unwrap_or_default();
        let error = format!(
            "rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": \
             failed to resolve image: {image}: not found"
        );
        let pausing = format!("Back-off pulling image \"{image}\": ErrImagePull: {error}");
        self.node.kubelet.show(&self.pod);
        tokio::time::sleep(first).await;
        let mut back_off = BACK_OFF;
        loop {
            self.kept.attempts.fetch_add(1, Ordering::Relaxed);
            self.waits("ErrImagePull", &error).await?;
            let shown = SHOWN.min(back_off);
            tokio::time::sleep(shown).await;
            self.waits("ImagePullBackOff", &pausing).await?;
            tokio::time::sleep(back_off - shown + PULL).await;
            back_off *= 2;
        }
    }

    async fn waits(&mut self, reason: &str, message: &str) -> Result<()> {
        let waiting = json!({"waiting": {"reason": reason, "message": message}});
        let image = self.pod.0["spec"]["containers"][0]["image"].clone();
        let status = json!({"containerStatuses": [{
            "name": "main", "image": image, "imageID": "", "ready": false, "restartCount": 0,
            "state": waiting,
        }]});
        self.report(status).await
    }

    async fn end(&mut self) -> Result<()> {
        tokio::time::sleep(PROMPT).await;
        self.report(json!({"phase": "Failed", "reason": "DeadlineExceeded"}))
            .await
    }

    /// Shows the status on the node's socket, then reports it to the API server.
    async fn report(&mut self, status: Value) -> Result<()> {
        if let (Some(known), Value::Object(new)) =
            (self.pod.0["status"].as_object_mut(), status.clone())
        {
            known.extend(new);
        }
        self.node.kubelet.show(&self.pod);
        let metadata = &self.pod.0["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/status");
        let body = json!({"metadata": {"uid": metadata["uid"]}, "status": status});
        self.pod = Pod(self.api.ask("PATCH", &path, &body).await?);
        Ok(())
    }
}
