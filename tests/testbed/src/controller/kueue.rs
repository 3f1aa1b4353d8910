//! Kueue.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Place, Setup, manifests};
use crate::settings::merge;

const NAMESPACE: &str = "kueue-system";
const WEBHOOKS: u16 = 9443;
const HEALTH: u16 = 8081;

pub fn setup(place: &Place, settings: &Value) -> Result<Setup> {
    let mut config = json!({
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "namespace": NAMESPACE,
        "health": {"healthProbeBindAddress": format!("127.0.0.1:{HEALTH}")},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": "127.0.0.1", "port": WEBHOOKS, "certDir": place.certificates},
        "leaderElection": {"leaderElect": false},
        "internalCertManagement": {"enable": false},
        "clientConnection": {"qps": 50, "burst": 100},
        // It would need an APIService.
        "featureGates": {"VisibilityOnDemand": false},
        "integrations": {"frameworks": ["batch/job", "pod", "jobset.x-k8s.io/jobset"]},
    });
    merge(&mut config, settings);
    let config = place.write("config.json", &config)?;
    let mut objects = manifests::crds(&place.manifest("config/components/crd/bases"))?;
    objects.push(manifests::namespace(NAMESPACE));
    Ok(Setup {
        objects,
        webhooks: manifests::webhooks(place, "kueue", WEBHOOKS, narrow)?,
        probe: Some(json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": "ResourceFlavor",
            "metadata": {"name": "probe"},
        })),
        images: Vec::new(),
        program: "kueue",
        arguments: vec![
            format!("--config={}", config.display()),
            "--zap-log-level=2".to_owned(),
        ],
        env: vec![("KUBECONFIG", place.kubeconfig.display().to_string())],
        ready: (HEALTH, "/readyz"),
        etc: Some(etc(place)?),
    })
}

/// As Kueue's own kustomization has it: its webhooks leave the system's Pods alone.
fn narrow(resource: &str, webhook: &mut Value) {
    if matches!(resource, "pods" | "deployments" | "statefulsets") {
        webhook["namespaceSelector"] = json!({"matchExpressions": [{
            "key": "kubernetes.io/metadata.name",
            "operator": "NotIn",
            "values": ["kube-system", NAMESPACE],
        }]});
    }
}

/// An `/etc` with the certificate of its metrics: it reads that at a fixed path, metrics or not.
fn etc(place: &Place) -> Result<std::path::PathBuf> {
    let etc = place.dir.join("etc");
    let folder = etc.join("kueue/metrics/certs");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for file in ["tls.crt", "tls.key"] {
        let from = place.certificates.join(file);
        fs::copy(&from, folder.join(file))
            .with_context(|| format!("copying {}", from.display()))?;
    }
    Ok(etc)
}
