//! Layers of the configuration: flags over environment over file over the Pod's own variables over defaults.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::document::Document;
use super::{Config, Faults, KEYS, Source};
use crate::judge::NodeMode;

/// Reads the configuration: `flags` by the keys' paths, `variable` as the environment, then `file`, then defaults.
/// An empty variable counts as absent: manifests set variables from what may be empty.
///
/// # Errors
/// Every fault that was found, not only the first.
pub fn load(
    flags: &BTreeMap<&'static str, String>,
    variable: impl Fn(&str) -> Option<String>,
    file: Option<&Path>,
) -> Result<Config, Faults> {
    let variable = |name: &str| variable(name).filter(|text| !text.is_empty());
    let mut document = Document::new();
    if let Some(name) = variable("NODE_NAME") {
        let source = Source::Variable("NODE_NAME".to_owned());
        document.set("nodeName", source, Value::String(name));
    }
    if let (Some(namespace), Some(name)) = (variable("POD_NAMESPACE"), variable("POD_NAME")) {
        let source = Source::Variable("POD_NAMESPACE and POD_NAME".to_owned());
        let own_pod = format!("{namespace}/{name}");
        document.set("ownPod", source, Value::String(own_pod));
    }
    if let Some(path) = file {
        document.set_file(path);
    }
    for key in KEYS.iter().filter(|key| !key.is_list()) {
        let name = key.variable();
        if let Some(text) = variable(&name) {
            document.set(&key.path, Source::Variable(name), Value::String(text));
        }
        if let Some(text) = flags.get(key.path.as_str()) {
            let flag = Source::Flag(format!("--{}", key.flag()));
            document.set(&key.path, flag, Value::String(text.clone()));
        }
    }
    config_of(document)
}

/// Reads a value in the form of the file, for a command that judges by it.
pub(super) fn load_value(
    set: &BTreeMap<&'static str, String>,
    value: Value,
) -> Result<Config, Faults> {
    let mut document = Document::new();
    document.set_all(&Source::Missing, value);
    for (path, text) in set {
        document.set(path, Source::Missing, Value::String(text.clone()));
    }
    config_of(document)
}

/// Reads the settings, and what they need of each other. A key that has a fault does not count as missing too.
fn config_of(mut document: Document) -> Result<Config, Faults> {
    let has_node = document.given.contains_key("nodeName");
    let has_credentials = ["kubeconfig", "ownPod"]
        .iter()
        .any(|path| document.given.contains_key(*path));
    let settings = document.settings(KEYS.iter().map(|key| &key.path));
    if !has_node {
        let problem = "is not given, and the environment has no NODE_NAME";
        document.fault("nodeName", Source::Missing, problem.to_owned());
    }
    let mode = settings.as_ref().map(|settings| settings.judging.mode.0);
    if mode.is_some_and(|mode| mode != NodeMode::Observe) && !has_credentials {
        let problem = "is not given, and the environment has no POD_NAMESPACE and POD_NAME: without it an agent with \
                       in-cluster credentials cannot make sure that it is held to its own node, and only observes";
        document.fault("ownPod", Source::Missing, problem.to_owned());
    }
    let judging = settings.as_ref().map(|settings| &settings.judging);
    if judging.is_some_and(|judging| !judging.has_range()) {
        let problem = "is less than imagePullFailureCountMin".to_owned();
        document.fault("imagePullFailureCountMax", Source::Missing, problem);
    }
    match settings {
        Some(settings) if document.faults.is_empty() => Ok(settings.into()),
        _ => Err(Faults(document.faults)),
    }
}
