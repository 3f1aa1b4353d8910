//! Gauges, brought up to date at each poll.

use super::{Agent, Process, amount};
use crate::judge::{BRAKES, Cause, Moment, NodeMode, Source};
use crate::metrics::{ByBrake, ByMode, BySource};
use crate::view;

impl Agent {
    /// Brings all gauges up to date.
    pub(super) fn count(&mut self) {
        let metrics = &self.process.metrics;
        let stuck = view::stuck(&self.judge);
        for cause in Cause::ALL {
            match stuck.get(&cause) {
                Some(pods) => _ = metrics.stuck.get_or_create(&cause.into()).set(*pods),
                // A cause that was never seen has no series.
                None => {
                    if let Some(gauge) = metrics.stuck.get(&cause.into()) {
                        gauge.set(0);
                    }
                }
            }
        }
        let held = view::held(&self.judge);
        for brake in BRAKES.map(|brake| brake.name) {
            let count = held.get(brake).copied().unwrap_or(0);
            let gauge = metrics.held.get_or_create(&ByBrake { brake });
            gauge.set(amount(count));
        }
        metrics.too_large.set(amount(self.judge.too_large()));
        for mode in NodeMode::ALL {
            let in_force = self.judge.policy().mode == mode;
            let mode = mode.as_str();
            let gauge = metrics.mode.get_or_create(&ByMode { mode });
            gauge.set(in_force.into());
        }
        let unsettled = self.poller.sandboxes.unsettled();
        metrics.unsettled.set(amount(unsettled));
        let open = self.sources.source();
        metrics.evidence_open.set(open.is_some().into());
        metrics.evidence_lost.set((!self.sources.well).into());
        for source in Source::ALL {
            let is_open = open == Some(source);
            let source = source.as_str();
            let gauge = metrics.evidence_source.get_or_create(&BySource { source });
            gauge.set(is_open.into());
        }
        let now = self.process.clock.now();
        self.process.count_freed(now);
    }
}

impl Process {
    /// Brings the counters of freed capacity up to date.
    pub(super) fn count_freed(&mut self, now: Moment) {
        let freed = self.freed.since_last(now);
        self.metrics.given_back_cpu.inc_by(freed.cpu);
        self.metrics.given_back_memory.inc_by(freed.memory);
        self.metrics.given_back_devices.inc_by(freed.devices);
    }
}
