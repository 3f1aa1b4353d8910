//! The process around the agent.

use super::freed::Freed;
use crate::admin::Health;
use crate::clock::Clock;
use crate::journal::Now;
use crate::judge::Moment;
use crate::metrics::Metrics;

/// Clock, metrics and health of the process.
pub(super) struct Process {
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
    /// Capacity that the failed Pods do not hold any more.
    pub(super) freed: Freed,
}

impl Process {
    pub(super) fn new(clock: Clock, metrics: Metrics, health: Health) -> Self {
        Self {
            clock,
            metrics,
            health,
            freed: Freed::default(),
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            wall: self.clock.wall(),
            boot: self.clock.now(),
        }
    }

    /// Brings the counters of freed capacity up to date.
    pub(super) fn count_freed(&mut self, now: Moment) {
        let freed = self.freed.since_last(now);
        self.metrics.writes.freed_cpu.inc_by(freed.cpu);
        self.metrics.writes.freed_memory.inc_by(freed.memory);
        self.metrics.writes.freed_devices.inc_by(freed.devices);
    }
}
