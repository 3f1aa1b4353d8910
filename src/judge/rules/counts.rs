//! Failure counts that were asked for, and the one that counts for an image.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::judge::PodView;

/// Failure counts that a Pod's author or the administrator asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Counts of single containers, by their names.
    pub containers: BTreeMap<String, NonZeroU32>,
    /// Count of all other containers; `None` if the thresholds count for them.
    pub others: Option<NonZeroU32>,
}

impl Counts {
    /// Returns true if there is a count.
    pub fn is_any(&self) -> bool {
        self.others.is_some() || !self.containers.is_empty()
    }

    /// Returns these counts, with others where there are none. A count for all containers comes
    /// before another's for a single one.
    pub fn or(mut self, other: Self) -> Self {
        if self.others.is_none() {
            for (name, count) in other.containers {
                self.containers.entry(name).or_insert(count);
            }
            self.others = other.others;
        }
        self
    }

    /// Returns the count for an image: the lowest among the containers that share it. `None` if the
    /// thresholds count.
    pub fn of(&self, view: &PodView, image: &str) -> Option<NonZeroU32> {
        let sharing = view.containers.iter().filter(|c| c.image == image);
        let own = |name: &str| self.containers.get(name).copied();
        let lowest = sharing.filter_map(|c| own(&c.name).or(self.others)).min();
        lowest.or(self.others)
    }
}
