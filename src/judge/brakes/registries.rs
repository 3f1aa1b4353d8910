//! Pulls per registry, failed ones and good ones, kept in the state file; and the registry brake's settings.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::judge::{Class, Moment, Reference};

/// Signs that a registry itself, rather than its images, is in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryRule {
    /// Number of different repositories that fail within the time `within`.
    pub repositories: NonZeroU32,
    /// Time in which they fail, and in which nothing is pulled from the registry.
    pub within: Duration,
    /// Longest time that verdicts of class permanent are held.
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

/// Pulls of this node's Pods, by registry. Kept in the state file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registries(BTreeMap<String, Registry>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Registry {
    /// Repositories that failed lately, each with its last failure.
    failing: BTreeMap<String, Moment>,
    /// Last pull that worked.
    pulled: Option<Moment>,
    /// True if a pull has worked since the node started.
    since_boot: bool,
}

/// Number of registries that are remembered, and of repositories of each: others choose the names.
const REMEMBERED: usize = 256;

impl Registries {
    /// Notes that a pull of this image failed.
    pub(in crate::judge) fn failed(&mut self, image: &str, rule: &RegistryRule, now: Moment) {
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

    /// Notes that this image was pulled: at that moment, or at an unknown one since the node
    /// started.
    pub(in crate::judge) fn pulled(&mut self, image: &str, at: Option<Moment>) {
        let registry = Reference::of(image).registry;
        if !self.0.contains_key(registry) && self.0.len() >= REMEMBERED {
            return;
        }
        let registry = self.0.entry(registry.to_owned()).or_default();
        registry.since_boot = true;
        registry.pulled = registry.pulled.max(at);
    }

    /// Returns the last pull from the image's registry, as far as known.
    pub fn last_pull(&self, image: &str) -> Option<Moment> {
        self.0.get(Reference::of(image).registry)?.pulled
    }

    /// Returns the number of the registry's repositories that fail, if they are so many that the
    /// fault seems to be the registry's. `pulled` is the last pull that shows that the registry
    /// works.
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

    /// Returns true if a pull from the image's registry has worked since the node started.
    pub fn worked_since_boot(&self, image: &str) -> bool {
        let registry = self.0.get(Reference::of(image).registry);
        registry.is_some_and(|registry| registry.since_boot)
    }

    /// Forgets everything after a reboot.
    pub(in crate::judge) fn rebooted(&mut self) {
        self.0.clear();
    }
}
