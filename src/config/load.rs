use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::namespaces;
use super::value::{Setting, Switch, text_of};
use super::{Config, Fault, Faults, KEYS, Key, OwnPod, Source};
use crate::judge::{
    BrakeRules, Budget, NamespaceRule, NodeMode, Policy, RegistryRule, Scope, Threshold, Thresholds,
};

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
    let mut reader = Reader::default();
    if let Some(path) = file {
        reader.read_file(path);
    }
    for key in KEYS.iter().filter(|key| !key.list) {
        let name = key.variable();
        if let Some(text) = variable(&name) {
            reader.set(key, Source::Variable(name), Value::String(text));
        }
        if let Some(text) = flags.get(key.path) {
            let flag = format!("--{}", key.flag());
            reader.set(key, Source::Flag(flag), Value::String(text.clone()));
        }
    }
    let node_name = reader
        .optional("nodeName")
        .or_else(|| variable("NODE_NAME"));
    if node_name.is_none() && !reader.has_fault("nodeName") {
        reader.fault(
            "nodeName",
            Source::Missing,
            "is not given, and the environment has no NODE_NAME".to_owned(),
        );
    }
    let own_pod = reader.own_pod(variable);
    let config = reader.config(node_name, own_pod);
    match (config, reader.faults.is_empty()) {
        (Some(config), true) => Ok(config),
        _ => Err(Faults(reader.faults)),
    }
}

/// The same from a value in the form of the file, for a command that judges by it.
///
/// # Errors
/// Every fault that was found, not only the first.
pub(super) fn load_value(
    flags: &BTreeMap<&'static str, &str>,
    value: Value,
) -> Result<Config, Faults> {
    let mut reader = Reader::default();
    reader.read_value(&Source::Missing, value);
    for key in KEYS.iter() {
        if let Some(text) = flags.get(key.path) {
            let value = Value::String((*text).to_owned());
            reader.set(key, Source::Missing, value);
        }
    }
    let node_name = reader.optional("nodeName");
    let own_pod = reader.own_pod(|_| None);
    match (reader.config(node_name, own_pod), reader.faults.is_empty()) {
        (Some(config), true) => Ok(config),
        _ => Err(Faults(reader.faults)),
    }
}

#[derive(Default)]
struct Reader {
    given: BTreeMap<&'static str, (Source, Value)>,
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, path: &str, source: Source, problem: String) {
        self.faults.push(Fault {
            path: path.to_owned(),
            source,
            problem,
        });
    }

    fn set(&mut self, key: &Key, source: Source, value: Value) {
        self.given.insert(key.path, (source, value));
    }

    fn read_file(&mut self, path: &Path) {
        let source = Source::File(path.to_owned());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                return self.fault("", source, format!("cannot be read: {error}"));
            }
        };
        // An empty file, or one of comments only, changes nothing.
        // `off`, `no` and `n` are words here, as YAML 1.2 has it.
        let options = serde_saphyr::options! { strict_booleans: true };
        match serde_saphyr::from_str_with_options::<Option<Value>>(&text, options) {
            Ok(None) => {}
            Ok(Some(value)) => self.read_value(&source, value),
            Err(error) => {
                let mut problem = "is not valid YAML: ".to_owned();
                let first = error.to_string();
                let _ = write!(problem, "{}", first.lines().next().unwrap_or_default());
                self.fault("", source, problem);
            }
        }
    }

    fn read_value(&mut self, source: &Source, value: Value) {
        match value {
            Value::Null => {}
            Value::Object(map) => {
                for (name, value) in map {
                    self.read_entry(source, &name, value);
                }
            }
            _ => {
                let problem = "is not a mapping of keys to values".to_owned();
                self.fault("", source.clone(), problem);
            }
        }
    }

    fn read_entry(&mut self, source: &Source, path: &str, value: Value) {
        if let Some(key) = KEYS.iter().find(|key| key.path == path) {
            if !value.is_null() {
                self.set(key, source.clone(), value);
            }
            return;
        }
        let below = format!("{path}.");
        let is_group = KEYS.iter().any(|key| key.path.starts_with(&below));
        match value {
            Value::Object(map) if is_group => {
                for (name, value) in map {
                    self.read_entry(source, &format!("{path}.{name}"), value);
                }
            }
            Value::Null if is_group => {}
            _ if is_group => self.fault(path, source.clone(), "is not a mapping".to_owned()),
            _ => self.fault(path, source.clone(), "is not a known key".to_owned()),
        }
    }

    /// The value of a key that has no default.
    fn optional<T: Setting>(&mut self, path: &'static str) -> Option<T> {
        let (source, value) = self.given.remove(path)?;
        match text_of(&value).and_then(|text| T::read(&text)) {
            Ok(setting) => Some(setting),
            Err(problem) => {
                self.fault(path, source, problem);
                None
            }
        }
    }

    /// The value of a key that has a default; `None` only where a fault was noted.
    fn scalar<T: Setting>(&mut self, path: &'static str) -> Option<T> {
        if self.given.contains_key(path) {
            return self.optional(path);
        }
        T::read(default_of(path)?).ok()
    }

    fn list<T: Setting>(&mut self, path: &'static str) -> Option<Vec<T>> {
        let Some((source, value)) = self.given.remove(path) else {
            let inner = default_of(path)?.trim_matches(['[', ']']);
            return inner.split(", ").map(|item| T::read(item).ok()).collect();
        };
        let Value::Array(items) = value else {
            self.fault(path, source, "is not a list".to_owned());
            return None;
        };
        let mut out = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match text_of(item).and_then(|text| T::read(&text)) {
                Ok(setting) => out.push(setting),
                Err(problem) => self.fault(&format!("{path}[{index}]"), source.clone(), problem),
            }
        }
        Some(out)
    }

    fn threshold(&mut self, failures: &'static str, lasting: &'static str) -> Option<Threshold> {
        let failures = self.scalar(failures);
        let lasting = self.scalar(lasting);
        Some(Threshold {
            failures: failures?,
            lasting: lasting?,
        })
    }

    /// Everything is read before anything is given up, so that every fault is found.
    fn config(&mut self, node: Option<String>, own_pod: Option<OwnPod>) -> Option<Config> {
        let mode = self.scalar("mode");
        let failure_count = self.optional("imagePullFailureCount");
        let permanent = self.threshold("thresholds.permanent.failures", "thresholds.permanent.for");
        let denied = self.threshold("thresholds.denied.failures", "thresholds.denied.for");
        let corrupt = self.threshold("thresholds.corrupt.failures", "thresholds.corrupt.for");
        let transient = self.threshold("thresholds.transient.failures", "thresholds.transient.for");
        let restart_policies = self.list("scope.restartPolicies");
        let exclude_namespaces = self.list("scope.excludeNamespaces");
        let pods = self.scalar::<NonZeroU32>("budget.pods");
        let per_owner = self.scalar::<NonZeroU32>("budget.perOwner");
        let per = self.scalar("budget.per");
        let registry = self.registry_rule();
        let new_node = self.scalar("newNodeBrake");
        let namespaces = self.namespaces();
        let action = self.scalar("action");
        let second_opinion = self.scalar::<Switch>("secondOpinion");
        let warm_up = self.scalar("warmUp");
        let evidence = self.scalar("evidence");
        let cri_socket = self.scalar("criSocket");
        let kubelet_pods_socket = self.scalar("kubeletPodsSocket");
        let kubeconfig = self.optional("kubeconfig");
        let state_dir = self.scalar("stateDir");
        let log_dir = self.scalar("logDir");
        let log_format = self.scalar("logFormat");
        let admin_address = self.scalar("adminAddress");
        let control_socket = self.scalar("controlSocket");
        let poll = self.poll();
        let writes = mode.is_some_and(|mode| mode != NodeMode::Observe);
        let faulty = self.has_fault("ownPod") || self.has_fault("kubeconfig");
        if writes && kubeconfig.is_none() && own_pod.is_none() && !faulty {
            let problem = "is not given, and the environment has no POD_NAMESPACE and POD_NAME: without it an agent with \
                           in-cluster credentials cannot make sure that it is held to its own node, and only observes";
            self.fault("ownPod", Source::Missing, problem.to_owned());
        }
        Some(Config {
            policy: Policy {
                node: node?,
                mode: mode?,
                failure_count,
                thresholds: Thresholds::new(permanent?, denied?, corrupt?, transient?),
                scope: Scope {
                    restart_policies: restart_policies?,
                    exclude_namespaces: exclude_namespaces?.into_iter().collect(),
                    namespaces: namespaces?,
                },
                action: action?,
                second_opinion: second_opinion?.0,
                namespace_labels: BTreeMap::new(),
            },
            brake: BrakeRules {
                budget: Budget {
                    pods: pods?.get(),
                    per_owner: per_owner?.get(),
                    per: per?,
                },
                registry: registry?,
                new_node: new_node?,
            },
            warm_up: warm_up?,
            evidence: evidence?,
            cri_socket: cri_socket?,
            kubelet_pods_socket: kubelet_pods_socket?,
            own_pod,
            kubeconfig,
            state_dir: state_dir?,
            log_dir: log_dir?,
            log_format: log_format?,
            admin_address: admin_address?,
            control_socket: control_socket?,
            poll: poll?,
        })
    }

    /// The agent's own Pod, by its key or by the downward API.
    fn own_pod(&mut self, variable: impl Fn(&str) -> Option<String>) -> Option<OwnPod> {
        self.optional("ownPod").or_else(|| {
            Some(OwnPod {
                namespace: variable("POD_NAMESPACE")?,
                name: variable("POD_NAME")?,
            })
        })
    }

    fn has_fault(&self, path: &str) -> bool {
        self.faults.iter().any(|fault| fault.path == path)
    }

    fn registry_rule(&mut self) -> Option<RegistryRule> {
        let repositories = self.scalar("registryBrake.repositories");
        let within = self.scalar("registryBrake.within");
        let at_most = self.scalar("registryBrake.atMost");
        Some(RegistryRule {
            repositories: repositories?,
            within: within?,
            at_most: at_most?,
        })
    }

    fn namespaces(&mut self) -> Option<Vec<NamespaceRule>> {
        const PATH: &str = "scope.namespaces";
        let Some((source, value)) = self.given.remove(PATH) else {
            return Some(Vec::new());
        };
        match namespaces::rules(PATH, &value) {
            Ok(rules) => Some(rules),
            Err(problems) => {
                for (path, problem) in problems {
                    self.fault(&path, source.clone(), problem);
                }
                None
            }
        }
    }

    fn poll(&mut self) -> Option<Duration> {
        let source = self.given.get("poll").map(|(source, _)| source.clone());
        let poll = self.scalar::<Duration>("poll")?;
        let range = Duration::from_millis(100)..=Duration::from_secs(60);
        if !range.contains(&poll) {
            let source = source.unwrap_or(Source::Missing);
            self.fault("poll", source, "must lie between 100ms and 60s".to_owned());
            return None;
        }
        Some(poll)
    }
}

fn default_of(path: &str) -> Option<&'static str> {
    KEYS.iter()
        .find(|key| key.path == path)
        .map(|key| key.default)
}

#[cfg(test)]
mod tests {
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
                "nodeName: is not given, and the environment has no NODE_NAME",
                "mode: \"loud\" is none of observe, opt-in, enforce",
                "thresholds.permanent.failures: \"0\" is not a whole number from 1",
                "scope.restartPolicies[1]: \"Sometimes\" is none of Never, OnFailure, Always",
                "budget.per: \"soon\" is not a duration like 10s, 2m, 1h",
                "criSocket: \"run/x\" is not an absolute path",
                "poll: must lie between 100ms and 60s",
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
    fn the_readme_lists_every_key_with_its_default() {
        let readme = include_str!("../../README.md");
        let start = readme.find("nodeName: null").unwrap();
        let text = &readme[start..];
        let text = &text[..text.find("```").unwrap()];
        let flags = BTreeMap::from([("nodeName", "n".to_owned())]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let listed = load(&flags, |_| None, Some(file.path())).unwrap();
        assert_eq!(listed, load(&flags, |_| None, None).unwrap());
        for key in &KEYS {
            let name = key.path.rsplit('.').next().unwrap();
            assert!(
                text.contains(&format!("{name}: ")),
                "{} is not listed",
                key.path
            );
        }
    }
}
