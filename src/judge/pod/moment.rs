//! Time on the node's boot clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Point on the node's boot clock: the time since the node started, suspends included.
///
/// A stepped wall clock does not move it. It means nothing after a reboot: the judge then drops the
/// moments of the boot before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment(Duration);

impl Moment {
    /// Returns the moment `since_boot` after the node started.
    pub const fn new(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// Returns the time from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the moment `duration` later.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}
