//! The agents, a process each, as the DaemonSet of deploy/base starts them: each with a token of its own Pod.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use testbed::{Node, tail};
use tokio::task::JoinSet;

use super::api::Api;
use super::nodes::{Sockets, name};
use crate::commands::agent;
use crate::commands::process::{Counters, mib};

/// Who all of them are for the API server.
pub const USER: &str = "system:serviceaccount:pullwarden:pullwarden";

/// Settings that differ from the defaults. Failures are counted as in the other tests; a token counts for the whole run.
pub const SETTINGS: &str =
    "mode: enforce\nimagePullFailureCount: 3\nwarmUp: 0s\nfleetBudget: {window: 1h}\n";

/// All agents. They end with the value.
#[derive(Debug)]
pub struct Agents {
    all: Vec<Child>,
    dir: PathBuf,
}

/// Memory of processes, in MiB.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sizes {
    /// Resident, shared pages counted for each.
    pub resident: f64,
    /// Proportional: a page that n processes share counts 1/n for each.
    pub proportional: f64,
    /// Of that no page of a file.
    pub anonymous: f64,
}

/// Makes the agents' own Pods through the API, and returns a token of each.
pub async fn tokens(api: &std::sync::Arc<Api>, agents: usize) -> Result<Vec<String>> {
    let mut making = JoinSet::new();
    for index in 0..agents {
        let api = std::sync::Arc::clone(api);
        making.spawn(async move { Ok((index, token(&api, index).await?)) });
    }
    let made = making.join_all().await.into_iter();
    let made: BTreeMap<usize, String> = made.collect::<Result<_>>()?;
    Ok(made.into_values().collect())
}

async fn token(api: &Api, index: usize) -> Result<String> {
    let node = name(index);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": own_pod(index)},
        "spec": {
            "nodeName": node,
            "serviceAccountName": "pullwarden",
            "automountServiceAccountToken": false,
            "containers": [{"name": "agent", "image": "pullwarden:bench"}],
        },
    });
    let of = "/api/v1/namespaces/pullwarden";
    let pod = api.ask("POST", &format!("{of}/pods"), &pod).await?;
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 36000, "boundObjectRef": {
            "apiVersion": "v1", "kind": "Pod",
            "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"],
        }},
    });
    let path = format!("{of}/serviceaccounts/pullwarden/token");
    let answer = api.ask("POST", &path, &request).await?;
    let token = answer["status"]["token"].as_str();
    Ok(token.context("the answer has no token")?.to_owned())
}

/// Name of an agent's own Pod.
fn own_pod(index: usize) -> String {
    format!("pullwarden-{index:04}")
}

impl Agents {
    /// Starts one for each token. Their files are below `dir`, the nodes' sockets in `sockets`.
    pub fn start(
        node: &Node,
        program: &Path,
        (dir, sockets): (&Path, &Path),
        tokens: &[String],
    ) -> Result<Self> {
        let mut agents = Self {
            all: Vec::new(),
            dir: dir.to_owned(),
        };
        for (index, token) in tokens.iter().enumerate() {
            let own = agents.folder(index);
            let files = (own.as_path(), sockets);
            let child = start(node, program, index, files, token);
            agents
                .all
                .push(child.with_context(|| format!("starting agent {index}"))?);
        }
        Ok(agents)
    }

    /// Folder of an agent.
    fn folder(&self, index: usize) -> PathBuf {
        self.dir.join(format!("{index:04}"))
    }

    /// Number of agents.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// An error if one of them has ended.
    pub fn check(&mut self) -> Result<()> {
        for index in 0..self.all.len() {
            if let Some(status) = self.all[index]
                .try_wait()
                .context("looking after an agent")?
            {
                let log = self.folder(index).join("stderr.log");
                bail!("agent {index} ended ({status}); its log:\n{}", tail(&log));
            }
        }
        Ok(())
    }

    /// Their processes.
    pub fn pids(&self) -> Vec<u32> {
        self.all.iter().map(Child::id).collect()
    }

    /// Failures that they have counted, by the Pod's UID, as their nodes' logs have it.
    pub fn counted(&self) -> Result<BTreeMap<String, u32>> {
        let mut counted = BTreeMap::<String, u32>::new();
        for index in 0..self.all.len() {
            let path = self.folder(index).join("log/pulls.jsonl");
            let text =
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            // The last line may not be complete yet.
            let lines = text.lines().map(serde_json::from_str::<Value>);
            for line in lines.filter_map(Result::ok) {
                let lists = ["failed", "inferred"].map(|list| line[list].as_array());
                let failures = lists.into_iter().flatten().map(Vec::len).sum::<usize>();
                if let (Some(uid), "verdict") = (
                    line["uid"].as_str(),
                    line["kind"].as_str().unwrap_or_default(),
                ) {
                    *counted.entry(uid.to_owned()).or_default() += u32::try_from(failures)?;
                }
            }
        }
        Ok(counted)
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        // One may have ended already; then there is nothing to kill.
        for child in &mut self.all {
            let _ = child.kill();
        }
        for child in &mut self.all {
            let _ = child.wait();
        }
    }
}

fn start(
    node: &Node,
    program: &Path,
    index: usize,
    (dir, sockets): (&Path, &Path),
    token: &str,
) -> Result<Child> {
    fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    let text = fs::read(node.admin_kubeconfig()).context("reading the admin's kubeconfig")?;
    let mut kubeconfig: Value =
        serde_json::from_slice(&text).context("decoding the admin's kubeconfig")?;
    kubeconfig["users"][0]["user"] = json!({ "token": token });
    let at = Sockets::of(sockets, index);
    let config = format!(
        "{SETTINGS}nodeName: {}\nownPod: pullwarden/{}\ncriSocket: {}\nkubeletPodsSocket: {}\nkubeconfig: {dir}/kubeconfig\n\
         stateDir: {dir}/state\nlogDir: {dir}/log\ncontrolSocket: {dir}/control.sock\nadminAddress: 127.0.0.1:0\n",
        name(index),
        own_pod(index),
        at.cri.display(),
        at.kubelet.display(),
        dir = dir.display(),
    );
    let save = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    };
    save("kubeconfig", &kubeconfig.to_string())?;
    save("config.yaml", &config)?;
    agent::spawn(node, program, dir)
}

/// Memory of these processes together.
pub fn sizes(pids: &[u32]) -> Result<Sizes> {
    let mut sizes = Sizes::default();
    for pid in pids {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let of = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            kib.map(|kib| mib(kib * 1024))
                .with_context(|| format!("{path} has no {name}"))
        };
        sizes.resident += of("Rss:")?;
        sizes.proportional += of("Pss:")?;
        sizes.anonymous += of("Pss_Anon:")?;
    }
    Ok(sizes)
}

/// Time on a CPU of these processes together, in nanoseconds.
pub fn cpu(pids: &[u32]) -> Result<u64> {
    let each = pids.iter().map(|pid| Ok(Counters::of(*pid)?.cpu));
    each.sum()
}

/// Connections to the API server that these processes hold, by the kernel's own table.
pub fn connections(pids: &[u32]) -> Result<usize> {
    let Some(first) = pids.first() else {
        return Ok(0);
    };
    let mut inodes = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let path = format!("/proc/{first}/net/{table}");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let [_, _, remote, _, _, _, _, _, _, inode, ..] = fields[..]
                && remote.ends_with(":01BB")
            {
                inodes.insert(inode.to_owned());
            }
        }
    }
    let mut held = 0;
    for pid in pids {
        let folder = format!("/proc/{pid}/fd");
        let files = fs::read_dir(&folder).with_context(|| format!("reading {folder}"))?;
        // A file may be closed meanwhile.
        for file in files.flatten() {
            let Ok(metadata) = fs::metadata(file.path()) else {
                continue;
            };
            held += usize::from(inodes.contains(&metadata.ino().to_string()));
        }
    }
    Ok(held)
}
