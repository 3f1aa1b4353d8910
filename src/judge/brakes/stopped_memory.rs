//! Memory of the brake `stopped`, so that the agent does not ask for each Pod in vain.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::judge::Moment;

/// Time for which the agent does not try again.
const PAUSE: Duration = Duration::from_secs(60);

/// Time for which `status` and the metrics show it, after it may be tried again.
const SHOWN: Duration = Duration::from_secs(3600);

/// Memory of the brake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stops(Option<Stop>);

/// The last report that found that the agent may write to no Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// True if the kill switch denies the writes; false if the admission policy was not proved.
    pub by_switch: bool,
    /// Reason, for people.
    pub why: String,
    /// Moment from which a failure may be reported again.
    pub until: Moment,
}

impl Stops {
    /// Notes that a report found that the agent may write to no Pod.
    pub(in crate::judge) fn note(&mut self, by_switch: bool, why: &str, now: Moment) -> &Stop {
        self.0.insert(Stop {
            by_switch,
            why: why.to_owned(),
            until: now.after(PAUSE),
        })
    }

    /// Forgets it: a report got past it, or the boot or the settings are others.
    pub(in crate::judge) fn clear(&mut self) {
        self.0 = None;
    }

    /// Returns the last stop, unless a later report got past it, or it was long ago.
    pub fn last(&self, now: Moment) -> Option<&Stop> {
        self.latest().filter(|stop| now.since(stop.until) < SHOWN)
    }

    /// Returns the last stop, unless a later report got past it.
    pub(in crate::judge) fn latest(&self) -> Option<&Stop> {
        self.0.as_ref()
    }
}
