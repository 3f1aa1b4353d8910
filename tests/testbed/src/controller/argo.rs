//! Argo Workflows.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Place, PodProgram, Setup, manifests};
use crate::settings::{REGISTRY, merge};

const NAMESPACE: &str = "argo";
/// A fixed port of the controller's.
const HEALTH: u16 = 6060;

pub fn setup(place: &Place, settings: &Value) -> Result<Setup> {
    let mut objects = manifests::crds(&place.manifest("manifests/base/crds/full"))?;
    let mut data = json!({
        "metricsConfig": "enabled: false\n",
        "telemetryConfig": "enabled: false\n",
    });
    merge(&mut data, settings);
    objects.push(manifests::namespace(NAMESPACE));
    objects.push(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "workflow-controller-configmap", "namespace": NAMESPACE},
        "data": data,
    }));
    // The namespace of its configuration is that of the kubeconfig's context.
    let text = fs::read(&place.kubeconfig)
        .with_context(|| format!("reading {}", place.kubeconfig.display()))?;
    let mut kubeconfig: Value = serde_json::from_slice(&text).context("decoding a kubeconfig")?;
    kubeconfig["contexts"][0]["context"]["namespace"] = json!(NAMESPACE);
    let kubeconfig = place.write("kubeconfig.json", &kubeconfig)?;
    Ok(Setup {
        objects,
        webhooks: Vec::new(),
        probe: None,
        images: vec![PodProgram {
            name: "argoexec",
            path: "bin/argoexec",
        }],
        program: "workflow-controller",
        arguments: vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--executor-image={REGISTRY}/argoexec:1"),
            "--loglevel=info".to_owned(),
        ],
        env: vec![("LEADER_ELECTION_DISABLE", "true".to_owned())],
        ready: (HEALTH, "/healthz"),
        etc: None,
    })
}
