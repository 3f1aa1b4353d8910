//! The part of a configuration that judging goes by, in the form of the file: what the node's log has of it, and a replay reads.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Config, Faults, load};
use crate::judge::{Class, NamespaceRule, Requirement, Selector, Threshold};

/// What a configuration must have and judging does not go by.
const ANY: [(&str, &str); 2] = [("nodeName", "any"), ("ownPod", "any/any")];

impl Config {
    /// The keys that judging goes by, each with its value.
    pub fn judging(&self) -> Value {
        let policy = &self.policy;
        let (scope, brake) = (&policy.scope, &self.brake);
        let threshold = |class| policy.thresholds.of(class).map(of_threshold);
        let policies = scope.restart_policies.iter().map(|policy| policy.as_str());
        json!({
            "mode": policy.mode.as_str(),
            "action": policy.action.as_str(),
            "imagePullFailureCount": policy.failure_count,
            "thresholds": {
                "permanent": threshold(Class::Permanent),
                "denied": threshold(Class::Denied),
                "corrupt": threshold(Class::Corrupt),
                "transient": threshold(Class::Transient),
            },
            "scope": {
                "restartPolicies": policies.collect::<Vec<_>>(),
                "excludeNamespaces": scope.exclude_namespaces,
                "namespaces": scope.namespaces.iter().map(of_rule).collect::<Vec<_>>(),
            },
            "budget": {
                "pods": brake.budget.pods,
                "perOwner": brake.budget.per_owner,
                "per": text(brake.budget.per),
            },
            "registryBrake": {
                "repositories": brake.registry.repositories,
                "within": text(brake.registry.within),
                "atMost": text(brake.registry.at_most),
            },
            "newNodeBrake": text(brake.new_node),
            "warmUp": text(self.warm_up),
            "secondOpinion": if policy.second_opinion { "on" } else { "off" },
        })
    }

    /// A configuration to judge by, from a file; the environment is not asked.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn to_judge_by(file: &Path) -> Result<Self, Faults> {
        let flags = ANY.map(|(path, value)| (path, value.to_owned()));
        load(&BTreeMap::from(flags), |_| None, Some(file))
    }

    /// The same from what [`Config::judging`] has given.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn judged_by(value: Value) -> Result<Self, Faults> {
        super::load::load_value(&BTreeMap::from(ANY), value)
    }
}

fn of_threshold(threshold: Threshold) -> Value {
    json!({ "failures": threshold.failures, "for": text(threshold.lasting) })
}

fn of_rule(rule: &NamespaceRule) -> Value {
    let mut out = json!({ "mode": rule.mode.as_str() });
    // Without both it would be no rule.
    if !rule.names.is_empty() || rule.selector.is_none() {
        out["names"] = json!(rule.names);
    }
    if let Some(Selector(requirements)) = &rule.selector {
        let expressions = requirements.iter().map(of_requirement);
        out["selector"] = json!({ "matchExpressions": expressions.collect::<Vec<_>>() });
    }
    out
}

fn of_requirement(requirement: &Requirement) -> Value {
    match requirement {
        Requirement::In(key, values) => json!({"key": key, "operator": "In", "values": values}),
        Requirement::NotIn(key, values) => {
            json!({"key": key, "operator": "NotIn", "values": values})
        }
        Requirement::Exists(key) => json!({"key": key, "operator": "Exists"}),
        Requirement::DoesNotExist(key) => json!({"key": key, "operator": "DoesNotExist"}),
    }
}

fn text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_read_the_same() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in [
            "",
            "mode: enforce\naction: delete\nimagePullFailureCount: 3\nsecondOpinion: on\nwarmUp: 0s\n",
            "thresholds: {permanent: {failures: 2, for: 90s500ms}}\nbudget: {pods: 7, per: 1h30m}\n\
             scope:\n  restartPolicies: [Always]\n  excludeNamespaces: []\n  namespaces:\n\
             \x20 - {names: [a, b], mode: off}\n\
             \x20 - {selector: {matchLabels: {env: prod}, matchExpressions: [{key: k, operator: NotIn, values: [x]}, {key: l, operator: Exists}, {key: m, operator: DoesNotExist}]}, mode: observe}\n",
        ] {
            std::fs::write(file.path(), text).unwrap();
            let config = Config::to_judge_by(file.path()).unwrap();
            let again = Config::judged_by(config.judging()).unwrap();
            assert_eq!(again, config, "{text}");
        }
    }

    #[test]
    fn what_a_newer_version_has_written_is_a_fault() {
        assert!(Config::judged_by(json!({"mode": "loud"})).is_err());
        assert!(Config::judged_by(json!({"mood": "loud"})).is_err());
        assert!(Config::judged_by(json!([])).is_err());
    }
}
