//! Parts of the fleet budget that reports have found closed, until they may be open again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fleet::Closed;
use crate::judge::Moment;

/// Time for which people are told that the object could not be used, after it may be tried again.
const TOLD: Duration = Duration::from_secs(3600);

/// Number of closed parts that are remembered; the oldest go first.
const MOST: usize = 64;

/// Parts of the fleet budget that were found closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FleetMemory(Vec<Shut>);

/// Part of the fleet budget that was found closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shut {
    /// The part, as it was found.
    #[serde(flatten)]
    pub part: Closed,
    /// End of the time in which it lets nobody in.
    pub until: Moment,
}

impl FleetMemory {
    /// Notes the parts that a report found closed.
    pub(in crate::judge) fn note(&mut self, closed: &[Closed], now: Moment) {
        self.0
            .retain(|shut| shut.part.limit.is_none() || shut.until > now);
        for part in closed {
            let is_same = |shut: &Shut| {
                shut.part.scope == part.scope && shut.part.limit.is_none() == part.limit.is_none()
            };
            self.0.retain(|shut| !is_same(shut));
            self.0.push(Shut {
                part: part.clone(),
                until: now.after(Duration::from_secs(part.seconds)),
            });
        }
        let surplus = self.0.len().saturating_sub(MOST);
        self.0.drain(..surplus);
    }

    /// Notes that a Pod was failed: the object can be used.
    pub(in crate::judge) fn is_usable(&mut self) {
        self.0.retain(|shut| shut.part.limit.is_some());
    }

    /// Forgets all: the boot or the settings are others.
    pub(in crate::judge) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the parts that let nobody in at present.
    pub(in crate::judge) fn shut(&self, now: Moment) -> impl Iterator<Item = &Shut> {
        self.0.iter().filter(move |shut| shut.until > now)
    }

    /// Returns the parts whose limit is reached at present.
    pub fn spent(&self, now: Moment) -> impl Iterator<Item = &Shut> {
        self.shut(now).filter(|shut| shut.part.limit.is_some())
    }

    /// Returns the reason why the object could not be used at the last try; `None` if it could, or if
    /// that was long ago.
    pub fn unusable(&self, now: Moment) -> Option<&Shut> {
        let unusable = |shut: &&Shut| shut.part.limit.is_none();
        let unusable = self.0.iter().find(unusable);
        unusable.filter(|shut| now.since(shut.until) < TOLD)
    }
}
