use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::judge::{Class, Moment, Reference};

/// When a registry itself, rather than its images, seems to be in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryRule {
    /// So many different repositories fail …
    pub repositories: NonZeroU32,
    /// … within this time, and nothing was pulled from the registry in it.
    pub within: Duration,
    /// The longest time that verdicts of class permanent are held.
    pub at_most: Duration,
}

/// Verdicts of class denied are held no longer than this, or than `at_most` where that is longer.
/// Three images of one Pod with a wrong pull secret would otherwise hold each other for ever.
const DENIED_AT_MOST: Duration = Duration::from_secs(6 * 3600);

impl RegistryRule {
    /// Returns the longest time that verdicts of a class are held; `None` where there is no limit.
    pub fn limit(&self, class: Class) -> Option<Duration> {
        match class {
            Class::Permanent => Some(self.at_most),
            Class::Denied => Some(self.at_most.max(DENIED_AT_MOST)),
            Class::Corrupt | Class::Transient | Class::Unknown | Class::Node => None,
        }
    }
}

/// What is known of the registries that Pods of this node pull from. Kept in the state file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registries(BTreeMap<String, Registry>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Registry {
    /// The repositories that failed lately, and when they did last.
    failing: BTreeMap<String, Moment>,
    /// When something was pulled last.
    pulled: Option<Moment>,
    /// Whether something was pulled since the node was started.
    since_boot: bool,
}

/// Names are chosen by others: so many registries are remembered, and so many repositories of each.
const REMEMBERED: usize = 256;

impl Registries {
    /// A pull of this image failed.
    pub fn failed(&mut self, image: &str, rule: &RegistryRule, now: Moment) {
        let reference = Reference::of(image);
        self.0.retain(|_, registry| {
            registry
                .failing
                .retain(|_, at| now.since(*at) < rule.within);
            registry.since_boot || !registry.failing.is_empty()
        });
        if !self.0.contains_key(reference.registry) && self.0.len() >= REMEMBERED {
            return;
        }
        let registry = self.0.entry(reference.registry.to_owned()).or_default();
        let known = registry.failing.contains_key(reference.repository);
        if known || registry.failing.len() < REMEMBERED {
            registry
                .failing
                .insert(reference.repository.to_owned(), now);
        }
    }

    /// This image was pulled: at that moment, or at an unknown one since the node was started.
    pub fn pulled(&mut self, image: &str, at: Option<Moment>) {
        let registry = Reference::of(image).registry;
        if !self.0.contains_key(registry) && self.0.len() >= REMEMBERED {
            return;
        }
        let registry = self.0.entry(registry.to_owned()).or_default();
        registry.since_boot = true;
        registry.pulled = registry.pulled.max(at);
    }

    /// When something was pulled from the image's registry last, as far as known.
    pub fn last_pull(&self, image: &str) -> Option<Moment> {
        self.0.get(Reference::of(image).registry)?.pulled
    }

    /// How many repositories of the image's registry fail, if that is so many that the registry itself seems to be in trouble. `pulled` is the last
    /// pull from it that speaks for it.
    pub fn trouble(
        &self,
        image: &str,
        rule: &RegistryRule,
        pulled: Option<Moment>,
        now: Moment,
    ) -> Option<usize> {
        let registry = self.0.get(Reference::of(image).registry)?;
        let lately = |at: &Moment| now.since(*at) < rule.within;
        let failing = registry.failing.values().filter(|at| lately(at)).count();
        let many = u32::try_from(failing).is_ok_and(|n| n >= rule.repositories.get());
        let well = pulled.is_some_and(|at| lately(&at));
        (many && !well).then_some(failing)
    }

    /// Whether something was pulled from the image's registry since the node was started.
    pub fn worked_since_boot(&self, image: &str) -> bool {
        let registry = self.0.get(Reference::of(image).registry);
        registry.is_some_and(|registry| registry.since_boot)
    }

    /// The node was started anew: nothing of this is known any more.
    pub fn rebooted(&mut self) {
        self.0.clear();
    }
}
