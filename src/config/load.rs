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
///
/// # Errors
/// Every fault that was found, not only the first.
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

/// What settings need of each other. A fault in one of them is not followed by a second one here.
fn config_of(document: Document) -> Result<Config, Faults> {
    let is_given = |path| document.is_given(path);
    let (node_is_given, reaches) = (
        is_given("nodeName"),
        is_given("kubeconfig") || is_given("ownPod"),
    );
    let (settings, mut faults) = document.settings();
    let mut missing = |path: &str, problem: &str| {
        faults.push(super::Fault {
            path: path.to_owned(),
            source: Source::Missing,
            problem: problem.to_owned(),
        });
    };
    if !node_is_given {
        missing(
            "nodeName",
            "is not given, and the environment has no NODE_NAME",
        );
    }
    let mode = settings.as_ref().map(|settings| settings.judging.mode.0);
    if mode.is_some_and(|mode| mode != NodeMode::Observe) && !reaches {
        missing(
            "ownPod",
            "is not given, and the environment has no POD_NAMESPACE and POD_NAME: without it an agent with \
             in-cluster credentials cannot make sure that it is held to its own node, and only observes",
        );
    }
    match (settings, faults.is_empty()) {
        (Some(settings), true) => Ok(settings.into()),
        _ => Err(Faults(faults)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        load(&BTreeMap::new(), variable, Some(file.path())).map_err(|faults| {
            faults
                .0
                .iter()
                .map(|f| format!("{}: {}", f.path, f.problem))
                .collect()
        })
    }

    #[test]
    fn defaults_are_complete_and_valid() {
        let config = load_text("nodeName: n\n", &[]).unwrap();
        assert_eq!(config.policy.mode, crate::judge::NodeMode::Observe);
        assert_eq!(config.poll, Duration::from_secs(5));
        assert_eq!(config.brake.budget.pods, 10);
        assert!(config.policy.excludes("kube-system"));
    }

    #[test]
    fn every_fault_is_listed_with_its_path() {
        let text = "mode: loud\npol: 5s\nthresholds:\n  permanent: {failures: 0, fro: 1m}\n  denied: 3\nscope:\n  restartPolicies: [Never, Sometimes]\ncriSocket: run/x\nbudget: {per: soon}\npoll: 1ms\n";
        assert_eq!(
            load_text(text, &[]).unwrap_err(),
            [
                "pol: is not a known key",
                "thresholds.denied: is not a mapping",
                "thresholds.permanent.fro: is not a known key",
                "mode: \"loud\" is none of observe, opt-in, enforce",
                "thresholds.permanent.failures: \"0\" is not a whole number from 1",
                "scope.restartPolicies[1]: \"Sometimes\" is none of Never, OnFailure, Always",
                "budget.per: \"soon\" is not a duration like 10s, 2m, 1h",
                "poll: must lie between 100ms and 60s",
                "criSocket: \"run/x\" is not an absolute path",
                "nodeName: is not given, and the environment has no NODE_NAME",
            ]
        );
    }

    #[test]
    fn flags_go_over_environment_over_file() {
        let text = "nodeName: file\npoll: 7s\nwarmUp: 1m\n";
        let config = load_text(
            text,
            &[("PULLWARDEN_NODE_NAME", "env"), ("PULLWARDEN_POLL", "6s")],
        );
        let config = config.unwrap();
        assert_eq!(config.policy.node, "env");
        assert_eq!(config.poll, Duration::from_secs(6));
        let flags = BTreeMap::from([("poll", "4s".to_owned()), ("nodeName", "flag".to_owned())]);
        let config = load(&flags, |_| Some("9s".to_owned()), None);
        assert!(config.is_err(), "the environment's faults are found too");
        let config = load(&flags, |_| None, None).unwrap();
        assert_eq!(
            (config.policy.node.as_str(), config.poll.as_secs()),
            ("flag", 4)
        );
    }

    #[test]
    fn an_empty_variable_counts_as_absent() {
        let empty: Vec<(String, &str)> = KEYS.iter().map(|key| (key.variable(), "")).collect();
        let mut empty: Vec<(&str, &str)> = empty
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        empty.extend([("NODE_NAME", ""), ("POD_NAMESPACE", ""), ("POD_NAME", "")]);
        let text = "nodeName: file\npoll: 7s\n";
        assert_eq!(load_text(text, &empty), load_text(text, &[]));
        let missing = "nodeName: is not given, and the environment has no NODE_NAME";
        assert_eq!(load_text("", &empty).unwrap_err(), [missing]);
    }

    #[test]
    fn an_empty_file_changes_nothing() {
        assert!(load_text("# nothing\n", &[("NODE_NAME", "n")]).is_ok());
        assert!(load_text("", &[("NODE_NAME", "n")]).is_ok());
    }

    #[test]
    fn damaged_yaml_is_one_fault() {
        assert_eq!(
            load_text("mode: [", &[("NODE_NAME", "n")])
                .unwrap_err()
                .len(),
            1
        );
    }

    #[test]
    fn names_of_flags_and_variables() {
        let key = KEYS
            .iter()
            .find(|key| key.path == "budget.perOwner")
            .unwrap();
        assert_eq!(key.flag(), "budget-per-owner");
        assert_eq!(key.variable(), "PULLWARDEN_BUDGET_PER_OWNER");
    }

    #[test]
    fn every_fault_in_the_rules_for_namespaces_is_listed() {
        let text = "scope:\n  namespaces:\n\
            \x20 - {names: [a], mode: enforce}\n\
            \x20 - {mode: off}\n\
            \x20 - {names: a, mode: off, nmaes: []}\n\
            \x20 - {selector: {}, mode: off}\n\
            \x20 - {selector: {matchExpressions: [{key: a, operator: In, values: []}]}, mode: off}\n\
            \x20 - {selector: {matchExpressions: [{key: a, operator: Is}]}, mode: off}\n\
            \x20 - {selector: {matchLabels: {a: [b]}}}\n\
            \x20 - 3\n";
        let faults = load_text(text, &[("NODE_NAME", "n")]).unwrap_err();
        let at = |at: &str| format!("scope.namespaces[{at}");
        assert_eq!(
            faults,
            [
                at("0].mode: \"enforce\" is none of off, observe"),
                at("1]: has neither names nor a selector"),
                at("2].names: invalid type: string \"a\", expected a sequence"),
                at("2].nmaes: unknown field `nmaes`, expected one of `names`, `selector`, `mode`"),
                at("3]: the selector requires nothing, so it would take every namespace"),
                at("4]: the operators In and NotIn need values"),
                at(
                    "5].selector.matchExpressions[0].operator: unknown variant `Is`, expected one of \
                    `In`, `NotIn`, `Exists`, `DoesNotExist`"
                ),
                at("6].selector.matchLabels.a: a list is not expected here"),
                at("7]: invalid type: integer `3`, expected a mapping"),
            ]
        );
    }
}
