//! Metrics by registry, for those who ask for them: at most ten registries of a node by name, and all
//! others together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::judge::{Effect, Note, Outcome, Reference};

/// Registries of a node that have series of their own.
const MOST: usize = 10;

/// Value that stands for all other registries, and for names that no registry can have.
const OTHER: &str = "other";

/// Longest name of a host, with a port.
const LONGEST: usize = 253 + ":65535".len();

/// Text about the label's values, for docs/metrics.md.
pub(super) const ABOUT: &str = "The registry, as image references name it. A node shows ten registries at most: those with the most stuck Pods, and those of which it failed the first Pods. All others are `other`.";

/// Labels `ByRegistry`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByRegistry {
    /// The registry, or `other`.
    pub registry: String,
}

/// Metrics by registry. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    stuck: Family<ByRegistry, Gauge>,
    failed: Family<ByRegistry, Counter>,
    named: Arc<Mutex<Named>>,
}

/// Registries that have series of their own.
#[derive(Debug, Default)]
struct Named {
    stuck: BTreeSet<String>,
    failed: BTreeSet<String>,
}

impl Registries {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "registry_stuck_pods",
            "The same as pullwarden_stuck_pods, by the registry of the image that failed most often; only with registryMetrics: on",
            self.stuck.clone(),
        );
        registry.register(
            "registry_pods_failed",
            "The same as pullwarden_pods_failed_total, by the registry of the image; only with registryMetrics: on",
            self.failed.clone(),
        );
    }

    /// Shows the number of stuck Pods of each registry. A registry that has none any more, or fewer
    /// than ten others, loses its series.
    pub fn show_stuck(&self, stuck: &BTreeMap<&str, i64>) {
        let mut shown: BTreeMap<&str, i64> = BTreeMap::new();
        let mut most: Vec<(&str, i64)> = stuck.iter().map(|(name, pods)| (*name, *pods)).collect();
        most.sort_by_key(|(_, pods)| -pods);
        for (place, (name, pods)) in most.into_iter().enumerate() {
            let is_shown = place < MOST && is_host(name);
            *shown
                .entry(if is_shown { name } else { OTHER })
                .or_default() += pods;
        }
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in named
            .stuck
            .iter()
            .filter(|name| !shown.contains_key(name.as_str()))
        {
            self.stuck.remove(&by(gone));
        }
        named.stuck = shown.keys().map(|name| (*name).to_owned()).collect();
        for (name, pods) in shown {
            self.stuck.get_or_create(&by(name)).set(pods);
        }
    }

    /// Counts the Pods that were failed.
    pub fn count(&self, effects: &[Effect]) {
        let failed = effects.iter().filter_map(|effect| match effect {
            Effect::Note(Note::Ended { image, ending, .. }) => {
                (ending.outcome == Outcome::Written).then_some(image)
            }
            _ => None,
        });
        for image in failed {
            self.count_failed(Reference::of(image).registry);
        }
    }

    /// Removes every series.
    pub fn clear(&self) {
        *self.named.lock().unwrap_or_else(PoisonError::into_inner) = Named::default();
        self.stuck.clear();
        self.failed.clear();
    }

    fn count_failed(&self, registry: &str) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = named.failed.contains(registry);
        let name = match is_known || (named.failed.len() < MOST && is_host(registry)) {
            true => {
                named.failed.insert(registry.to_owned());
                registry
            }
            false => OTHER,
        };
        self.failed.get_or_create(&by(name)).inc();
    }
}

fn by(registry: &str) -> ByRegistry {
    let registry = registry.to_owned();
    ByRegistry { registry }
}

/// Returns true for a name that a registry can have. The author of a Pod chooses it.
fn is_host(name: &str) -> bool {
    let is_allowed = |c: u8| c.is_ascii_alphanumeric() || b".-:[]".contains(&c);
    name.len() <= LONGEST && name != OTHER && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(registries: &Registries, name: &str) -> Option<i64> {
        let gauge = registries.stuck.get(&by(name))?;
        Some(gauge.get())
    }

    #[test]
    fn ten_registries_are_shown_and_the_others_together() {
        let names: Vec<String> = (1..=13).map(|nth| format!("r{nth:02}.test")).collect();
        let stuck = names.iter().zip(1..).map(|(name, pods)| (&**name, pods));
        let registries = Registries::default();
        registries.show_stuck(&stuck.collect());
        assert_eq!(shown(&registries, "other"), Some(1 + 2 + 3));
        assert_eq!(shown(&registries, "r03.test"), None);
        assert_eq!(shown(&registries, "r04.test"), Some(4));
        assert_eq!(shown(&registries, "r13.test"), Some(13));
        registries.show_stuck(&[("r01.test", 7), ("new.test", 1)].into());
        assert_eq!(shown(&registries, "r01.test"), Some(7));
        for gone in ["other", "r04.test", "r13.test"] {
            assert_eq!(shown(&registries, gone), None, "{gone}");
        }
    }

    #[test]
    fn a_counter_keeps_its_registry_and_is_bounded() {
        let registries = Registries::default();
        let count = |name: &str| {
            let counter = registries.failed.get(&by(name));
            counter.map_or(0, |counter| counter.get())
        };
        for nth in 0..20 {
            registries.count_failed(&format!("r{nth}.test"));
        }
        registries.count_failed("r0.test");
        assert_eq!(
            (count("r0.test"), count("r9.test"), count("r10.test")),
            (2, 1, 0)
        );
        assert_eq!(count("other"), 10);
        registries.clear();
        assert_eq!(count("r0.test"), 0);
    }

    #[test]
    fn a_name_that_no_registry_has_is_no_label() {
        let long = "a".repeat(300);
        let names = ["a b.test", "ä.test", "x\".test", &long, "other", "a/b"];
        let registries = Registries::default();
        registries.show_stuck(&names.map(|name| (name, 1)).into());
        names.iter().for_each(|name| registries.count_failed(name));
        assert_eq!(shown(&registries, "other"), Some(6));
        let failed = registries.failed.get(&by("other"));
        assert_eq!(failed.map(|counter| counter.get()), Some(6));
        for host in ["docker.io", "[::1]:5000", "registry.example:5000"] {
            assert!(is_host(host), "{host}");
        }
    }
}
