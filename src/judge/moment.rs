use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on the node's boot clock: the time since the node started, suspends included.
///
/// A stepped wall clock does not move it, and it means nothing on another boot: [`Ledger::rebooted`](super::Ledger::rebooted)
/// drops what was measured before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment(Duration);

impl Moment {
    /// The moment `since_boot` after the node started.
    pub const fn new(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `duration` later.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}
