//! The files that the components read: configuration, kubeconfigs, tokens.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::component::Component;
use crate::network::Network;
use crate::pki;
use crate::place::{FIRST, SECOND};
use crate::plan::Plan;
use crate::systemd;

/// The real registry.
pub const REGISTRY: &str = "127.0.0.1:5000";
/// The fault registry.
pub const FAULTS: &str = "127.0.0.1:5001";
/// The fault registry, which asks for a token already where a client looks what kind of registry it
/// is. CRI-O takes the address of the token server from there alone.
pub const FAULTS_CHALLENGING: &str = "127.0.0.1:5002";
/// The fault registry at the node's own address, over HTTP, where clients expect HTTPS.
pub const FAULTS_HTTP: &str = "10.97.0.1:5440";
/// The fault registry over HTTPS, with a certificate that has expired.
pub const FAULTS_EXPIRED: &str = "10.97.0.1:5441";
/// The fault registry over HTTPS, with a certificate of an authority that nobody knows.
pub const FAULTS_UNKNOWN: &str = "10.97.0.1:5442";
/// The fault registry over HTTPS, with the certificate of another host.
pub const FAULTS_WRONG_HOST: &str = "10.97.0.1:5443";
/// A port where the fault registry takes no connection, and refuses none.
pub const FAULTS_DEAF: &str = "10.97.0.1:5444";
/// The node's name server, which knows no name.
pub const NAMES: &str = "127.0.0.1:53";
/// A registry that cannot be reached, behind a mirror: the real registry.
pub const MIRRORED: &str = "mirrored.test";
/// What sandboxes run.
pub const PAUSE_IMAGE: &str = "testbed.local/pause:1";

/// Users and their groups. `pullwarden`, and `usual` that it is compared with, have no rights until they are given some.
const USERS: &[(&str, &str, &str)] = &[
    ("admin", "admin", "system:masters"),
    (FIRST.kubeconfig, "system:node:node1", "system:nodes"),
    (SECOND.kubeconfig, "system:node:node2", "system:nodes"),
    ("pullwarden", "pullwarden", ""),
    ("usual", "usual", ""),
];

/// Writes every file, and makes every folder that a component expects.
pub fn write(plan: &Plan) -> Result<()> {
    let layout = plan.layout();
    for folder in [
        "config",
        "config/cni",
        "config/manifests",
        "log",
        "pki",
        "pki/webhooks",
    ] {
        make(&layout.dir().join(folder))?;
    }
    for component in plan.components() {
        make(&layout.data(*component))?;
    }
    for folder in ["device-plugins", "pods-api"] {
        make(&layout.kubelet_root().join(folder))?;
    }
    make(&layout.runtime())?;
    make(&layout.private("lib/kubelet"))?;
    make(&layout.private("log"))?;
    match plan.joins {
        None => control_plane(plan)?,
        Some(_) => of_control_plane(plan)?,
    }
    save(&layout.config("kubelet.json"), &pretty(&kubelet(plan))?)?;
    if plan.cgroup_driver.is_systemd() {
        systemd::write_settings(plan)?;
    }
    plan.runtime
        .write_settings(plan)
        .context("writing the runtime's configuration")?;
    save(
        &layout.config("cni/10-testbed.conflist"),
        &pretty(&cni(plan))?,
    )?;
    save(
        &layout.config("resolv.conf"),
        "# The fault registry's name server.\nnameserver 127.0.0.1\n",
    )
}

/// The files of the control plane and of the registries, and everybody's credentials.
fn control_plane(plan: &Plan) -> Result<()> {
    let layout = plan.layout();
    pki::write(&layout.pki()).context("making certificates")?;
    let ca = layout.pki().join("ca.crt");
    let mut tokens = String::new();
    for (name, user, groups) in USERS {
        let token = random_hex(16)?;
        tokens += &format!("{token},{user},{user},\"{groups}\"\n");
        let kubeconfig = kubeconfig(plan.network, &ca, &token);
        save(&layout.kubeconfig(name), &pretty(&kubeconfig)?)?;
    }
    save(&layout.config("tokens.csv"), &tokens)?;
    save(
        &layout.config("audit-policy.json"),
        &pretty(&audit_policy())?,
    )?;
    save(&layout.config("admission.json"), &pretty(&admission())?)?;
    save(&layout.config("registry.json"), &pretty(&registry(plan))?)
}

/// Copies of the files that a node has of its control plane.
fn of_control_plane(plan: &Plan) -> Result<()> {
    let (from, to) = (plan.control_plane(), plan.layout());
    let copy = |from: PathBuf, to: PathBuf| {
        fs::copy(&from, to)
            .map(drop)
            .with_context(|| format!("copying {}", from.display()))
    };
    for (user, ..) in USERS {
        copy(from.kubeconfig(user), to.kubeconfig(user))?;
    }
    copy(from.pki().join("ca.crt"), to.pki().join("ca.crt"))
}

fn kubeconfig(network: Network, ca: &Path, token: &str) -> Value {
    let server = format!("https://{}:443", network.first().loopback());
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": {
            "server": server, "certificate-authority": ca,
        }}],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "user"}}],
        "current-context": "testbed",
    })
}

/// As GKE has it: Pods of critical priority are admitted only where a quota allows them.
fn admission() -> Value {
    json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": "ResourceQuota", "configuration": {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "ResourceQuotaConfiguration",
            "limitedResources": [{"resource": "pods", "matchScopes": [{
                "scopeName": "PriorityClass",
                "operator": "In",
                "values": ["system-node-critical", "system-cluster-critical"],
            }]}],
        }}],
    })
}

fn audit_policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            // What the kubelet reports of Pods, and when.
            {
                "level": "Request",
                "users": ["system:node:node1", "system:node:node2"],
                "verbs": ["patch"],
                "resources": [{"group": "", "resources": ["pods/status"]}],
            },
            {"level": "Metadata"},
        ],
    })
}

fn registry(plan: &Plan) -> Value {
    json!({
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {
            "filesystem": {"rootdirectory": plan.layout().data(Component::Registry)},
            "delete": {"enabled": true},
        },
        "http": {"addr": REGISTRY},
    })
}

fn cni(plan: &Plan) -> Value {
    let families = plan.network.families().iter();
    let ranges = families
        .clone()
        .map(|family| json!([{"subnet": plan.place().pods_of(*family)}]));
    let routes = families.map(|family| json!({"dst": family.everywhere()}));
    json!({
        "cniVersion": "1.0.0",
        "name": "testbed",
        "plugins": [{
            "type": "ptp",
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "dataDir": plan.layout().data(Component::Runtime).join("cni"),
                "ranges": ranges.collect::<Vec<_>>(),
                "routes": routes.collect::<Vec<_>>(),
            },
        }],
    })
}

fn kubelet(plan: &Plan) -> Value {
    let (layout, place) = (plan.layout(), plan.place());
    let mut config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{}", plan.cri_socket().display()),
        "staticPodPath": layout.config("manifests"),
        "volumePluginDir": layout.data(Component::Kubelet).join("volume-plugins"),
        "port": place.kubelet,
        "healthzPort": place.health,
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": layout.pki().join("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": plan.cgroup_driver,
        // Without groups for them systemd would be asked for none, and the runtimes have no other place.
        "cgroupsPerQOS": plan.cgroup_driver.is_systemd(),
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "maxPods": 250,
        "evictionHard": {"memory.available": "1Mi"},
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "2s",
        "resolvConf": "",
        // Nobody answers there; without an address every Pod gets a warning Event.
        "clusterDNS": [plan.network.first().dns()],
        "clusterDomain": "cluster.local",
    });
    merge(&mut config, &plan.kubelet);
    config
}

/// Lays `over` on `base`: objects key by key, everything else replaced.
pub fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (base, over) => *base = over.clone(),
    }
}

/// Random bytes as hexadecimal digits.
pub fn random_hex(bytes: usize) -> Result<String> {
    use std::io::Read as _;
    let mut buffer = vec![0; bytes];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut buffer))
        .context("reading /dev/urandom")?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn pretty(value: &Value) -> Result<String> {
    serde_json::to_string_pretty(value).context("encoding a configuration")
}

/// Makes a folder.
pub fn make(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))
}

/// Writes a file.
pub fn save(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_replaces_leaves_and_keeps_the_rest() {
        let mut base = json!({"a": {"b": 1, "c": 2}, "d": [1, 2]});
        merge(&mut base, &json!({"a": {"b": 3}, "d": [4], "e": "f"}));
        assert_eq!(base, json!({"a": {"b": 3, "c": 2}, "d": [4], "e": "f"}));
        merge(&mut base, &Value::Null);
        assert_eq!(base, json!({"a": {"b": 3, "c": 2}, "d": [4], "e": "f"}));
    }
}
