//! Settings that decide about Pods, to and from the judge's own types. The node's log has them in the form of the file, and a replay reads that.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::document::Settings;
use super::kinds::{Count, Name, Span, Word};
use super::mirrors::Mirrored;
use super::namespaces::Rule;
use super::pods::Covered;
use super::settings::{self, Judging};
use super::{Config, Faults, load};
use crate::judge::{
    BrakeRules, Class, CountRange, Namespaces, Policy, Scope, Switches, Threshold, Thresholds,
};

/// Values of keys that a configuration must have and that decide about no Pod.
fn any() -> BTreeMap<&'static str, String> {
    let any = [("nodeName", "any"), ("ownPod", "any/any")];
    any.map(|(path, value)| (path, value.to_owned())).into()
}

impl Config {
    /// Returns the keys that decide about Pods, each with its value.
    pub fn judging(&self) -> Value {
        let judging = Judging::of(&self.policy, &self.brake, self.warm_up);
        // Text, numbers, lists and mappings by text: each has a form in JSON.
        serde_json::to_value(judging).unwrap_or_default()
    }

    /// Reads a configuration to judge by from a file; the environment is not asked.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn to_judge_by(file: &Path) -> Result<Self, Faults> {
        load(&any(), |_| None, Some(file))
    }

    /// Reads the same from a value that [`Config::judging`] returned.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn judged_by(value: Value) -> Result<Self, Faults> {
        super::load::load_value(&any(), value)
    }
}

impl From<Settings> for Config {
    fn from(settings: Settings) -> Self {
        let Settings {
            judging,
            watching,
            startup,
        } = settings;
        Self {
            brake: judging.brake(),
            warm_up: judging.warm_up.0,
            policy: judging.policy(startup.node_name.clone().map(|name| name.0)),
            evidence: watching.evidence.0,
            poll: watching.poll.get(),
            registry_metrics: watching.registry_metrics.0,
            startup,
        }
    }
}

impl Judging {
    /// Returns false if no failure count is between the least and the most.
    pub(super) fn has_range(&self) -> bool {
        let least = self.image_pull_failure_count_min.0;
        let most = self.image_pull_failure_count_max;
        most.is_none_or(|most| most.0 >= least)
    }

    fn policy(self, node: Option<String>) -> Policy {
        let fleet = self.fleet_budget.limits();
        let threshold = |settings::Threshold { failures, lasting }| Threshold {
            failures: failures.0,
            lasting: lasting.0,
        };
        let range = CountRange {
            least: self.image_pull_failure_count_min.0,
            most: self.image_pull_failure_count_max.map(|count| count.0),
        };
        let (thresholds, scope) = (self.thresholds, self.scope);
        let policies = scope.restart_policies.into_iter().map(|word| word.0);
        let excluded = scope.exclude_namespaces.into_iter().map(|name| name.0);
        Policy {
            node: node.unwrap_or_default(),
            mode: self.mode.0,
            failure_count: self.image_pull_failure_count.map(|count| count.0),
            thresholds: Thresholds::new(
                threshold(thresholds.permanent),
                threshold(thresholds.denied),
                threshold(thresholds.corrupt),
                threshold(thresholds.transient),
            ),
            behind_mirror: self.behind_mirror.0,
            scope: Scope {
                restart_policies: policies.collect(),
                exclude_namespaces: excluded.collect(),
                namespaces: scope.namespaces.into_iter().map(|rule| rule.0).collect(),
                namespace_annotations: scope.namespace_annotations.0.then_some(range),
                pods: scope.pods.into_iter().map(|rule| rule.0).collect(),
            },
            action: self.action.0,
            fleet,
            switches: Switches {
                second_opinion: self.second_opinion.0,
                owner_events: self.owner_events.0,
            },
            namespaces: Namespaces::new(),
        }
    }

    fn brake(&self) -> BrakeRules {
        BrakeRules {
            budget: self.budget.into(),
            registry: self.registry_brake.into(),
            new_node: self.new_node_brake.0,
        }
    }

    fn of(policy: &Policy, brake: &BrakeRules, warm_up: Duration) -> Self {
        let default = settings::Thresholds::default();
        // The judge has a threshold for each of these classes.
        let threshold = |class, default| match policy.thresholds.of(class) {
            Some(threshold) => settings::Threshold {
                failures: Count(threshold.failures),
                lasting: Span(threshold.lasting),
            },
            None => default,
        };
        let scope = &policy.scope;
        let range = scope.namespace_annotations;
        let excluded = scope.exclude_namespaces.iter();
        Self {
            mode: Word(policy.mode),
            action: Word(policy.action),
            image_pull_failure_count: policy.failure_count.map(Count),
            image_pull_failure_count_min: range.map_or(Count::of(1), |range| Count(range.least)),
            image_pull_failure_count_max: range.and_then(|range| range.most).map(Count),
            thresholds: settings::Thresholds {
                permanent: threshold(Class::Permanent, default.permanent),
                denied: threshold(Class::Denied, default.denied),
                corrupt: threshold(Class::Corrupt, default.corrupt),
                transient: threshold(Class::Transient, default.transient),
            },
            behind_mirror: Mirrored(policy.behind_mirror.clone()),
            scope: settings::Scope {
                restart_policies: scope.restart_policies.iter().copied().map(Word).collect(),
                exclude_namespaces: excluded
                    .filter_map(|name| name.parse::<Name>().ok())
                    .collect(),
                namespaces: scope.namespaces.iter().cloned().map(Rule).collect(),
                namespace_annotations: Word(scope.namespace_annotations.is_some()),
                pods: scope.pods.iter().cloned().map(Covered).collect(),
            },
            budget: brake.budget.into(),
            fleet_budget: policy.fleet.as_ref().into(),
            registry_brake: brake.registry.into(),
            new_node_brake: Span(brake.new_node),
            warm_up: Span(warm_up),
            second_opinion: Word(policy.switches.second_opinion),
            owner_events: Word(policy.switches.owner_events),
        }
    }
}
