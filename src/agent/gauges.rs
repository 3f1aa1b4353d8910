//! Gauges, brought up to date at each poll.

use std::collections::BTreeMap;

use super::{Agent, Process, amount};
use crate::judge::{BRAKES, Reason};
use crate::judge::{Cause, Moment, NodeMode, Source};
use crate::metrics::{ByBrake, ByMode, BySource};

impl Agent {
    /// The Pods that are stuck, each once: by the cause of its image that has failed most often.
    fn stuck(&self) -> BTreeMap<Cause, i64> {
        let mut stuck = BTreeMap::new();
        for uid in self.judge.latest().keys() {
            let record = self.judge.ledger().pod(uid);
            let images = record.into_iter().flat_map(|pod| &pod.images);
            let failing = images
                .filter(|(_, image)| image.failures > 0 || image.standing.is_some())
                .filter_map(|(_, image)| Some((image.failures, image.last.as_ref()?.cause)));
            if let Some((_, cause)) = failing.max_by_key(|(failures, _)| *failures) {
                *stuck.entry(cause).or_default() += 1;
            }
        }
        stuck
    }

    /// Number of verdicts that each brake holds.
    pub(super) fn held(&self) -> BTreeMap<&'static str, usize> {
        let mut held = BTreeMap::new();
        for latest in self.judge.latest().values() {
            for brake in latest.brakes().iter().filter_map(Reason::brake) {
                *held.entry(brake).or_default() += 1;
            }
        }
        held
    }

    /// Brings all gauges up to date.
    pub(super) fn count(&mut self) {
        let metrics = &self.process.metrics;
        let stuck = self.stuck();
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
        let held = self.held();
        for brake in BRAKES {
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
