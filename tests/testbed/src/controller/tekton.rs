//! Tekton Pipelines.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Place, PodProgram, Setup, manifests};
use crate::settings::{REGISTRY, merge};

const NAMESPACE: &str = "tekton-pipelines";
const HEALTH: u16 = 8083;
const METRICS: u16 = 9083;

pub fn setup(place: &Place, settings: &Value) -> Result<Setup> {
    let mut objects = manifests::crds(&place.manifest("config/300-crds"))?;
    objects.push(manifests::namespace(NAMESPACE));
    for mut object in manifests::read_folder(&place.manifest("config"), "config-")? {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        match name {
            "config-defaults" if !settings.is_null() => merge(&mut object["data"], settings),
            // No affinity assistant: it is a StatefulSet with an image of its own.
            "feature-flags" => object["data"]["coschedule"] = json!("disabled"),
            _ => {}
        }
        objects.push(object);
    }
    let image = format!("{REGISTRY}/entrypoint:1");
    let mut arguments = vec![
        format!("-kubeconfig={}", place.kubeconfig.display()),
        "-disable-ha".to_owned(),
    ];
    // Tests use none of these images but that of the entrypoint; the controller wants a name for each.
    for flag in [
        "entrypoint",
        "nop",
        "sidecarlogresults",
        "workingdirinit",
        "shell",
        "shell-win",
    ] {
        let name = match flag.strip_suffix("-win") {
            Some(flag) => format!("{flag}-image-win"),
            None => format!("{flag}-image"),
        };
        arguments.push(format!("-{name}={image}"));
    }
    let names = [
        ("SYSTEM_NAMESPACE", NAMESPACE),
        ("CONFIG_DEFAULTS_NAME", "config-defaults"),
        ("CONFIG_LOGGING_NAME", "config-logging"),
        ("CONFIG_OBSERVABILITY_NAME", "config-observability"),
        ("CONFIG_FEATURE_FLAGS_NAME", "feature-flags"),
        (
            "CONFIG_LEADERELECTION_NAME",
            "config-leader-election-controller",
        ),
        ("CONFIG_SPIRE", "config-spire"),
        ("METRICS_DOMAIN", "tekton.dev/pipeline"),
        ("KUBERNETES_MIN_VERSION", "v1.28.0"),
    ];
    let mut env: Vec<_> = names.map(|(name, value)| (name, value.to_owned())).into();
    env.push(("PROBES_PORT", HEALTH.to_string()));
    env.push(("METRICS_PROMETHEUS_PORT", METRICS.to_string()));
    Ok(Setup {
        objects,
        webhooks: Vec::new(),
        probe: None,
        images: vec![PodProgram {
            name: "entrypoint",
            path: "ko-app/entrypoint",
        }],
        program: "controller",
        arguments,
        env,
        ready: (HEALTH, "/readiness"),
        etc: None,
    })
}
