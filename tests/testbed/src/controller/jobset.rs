//! JobSet.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Place, Setup, manifests};
use crate::settings::merge;

const WEBHOOKS: u16 = 9444;
const HEALTH: u16 = 8082;

pub fn setup(place: &Place, settings: &Value) -> Result<Setup> {
    let mut config = json!({
        "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": format!("127.0.0.1:{HEALTH}")},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": "127.0.0.1", "port": WEBHOOKS, "certDir": place.certificates},
        "leaderElection": {"leaderElect": false},
        "internalCertManagement": {"enable": false},
    });
    merge(&mut config, settings);
    let config = place.write("config.json", &config)?;
    Ok(Setup {
        objects: manifests::crds(&place.manifest("config/components/crd/bases"))?,
        webhooks: manifests::webhooks(place, "jobset", WEBHOOKS, narrow)?,
        probe: Some(json!({
            "apiVersion": "jobset.x-k8s.io/v1alpha2",
            "kind": "JobSet",
            "metadata": {"name": "probe", "namespace": "default"},
            "spec": {"replicatedJobs": [{"name": "main", "template": {"spec": {"template": {"spec": {
                "containers": [{"name": "main", "image": "main"}],
            }}}}}]},
        })),
        images: Vec::new(),
        program: "jobset",
        arguments: vec![format!("--config={}", config.display())],
        env: vec![("KUBECONFIG", place.kubeconfig.display().to_string())],
        ready: (HEALTH, "/readyz"),
        etc: None,
    })
}

/// As JobSet's own kustomization has it: its webhooks leave the Pods of others alone.
fn narrow(resource: &str, webhook: &mut Value) {
    if resource == "pods" {
        webhook["objectSelector"] = json!({"matchExpressions": [{
            "key": "jobset.sigs.k8s.io/jobset-name",
            "operator": "Exists",
        }]});
    }
}
