//! What of the agent's state its gauges show, brought up to date at each look.

use std::collections::BTreeMap;

use super::Agent;
use crate::judge::{Cause, NodeMode};
use crate::metrics::ByMode;

impl Agent {
    /// The Pods that are stuck, each once: by the cause of its image that has failed most often.
    fn stuck(&self) -> BTreeMap<Cause, i64> {
        let mut stuck = BTreeMap::new();
        for uid in self.docket.latest.keys() {
            let images = self
                .docket
                .ledger
                .pod(uid)
                .into_iter()
                .flat_map(|pod| &pod.images);
            let failing = images
                .filter(|(_, image)| image.failures > 0 || image.standing.is_some())
                .filter_map(|(_, image)| Some((image.failures, image.last.as_ref()?.cause)));
            if let Some((_, cause)) = failing.max_by_key(|(failures, _)| *failures) {
                *stuck.entry(cause).or_default() += 1;
            }
        }
        stuck
    }

    /// Brings the gauges of what is stuck, and of the mode, up to date.
    pub(super) fn count_state(&self) {
        let stuck = self.stuck();
        for cause in Cause::ALL {
            match stuck.get(&cause) {
                Some(pods) => {
                    self.metrics.stuck.get_or_create(&cause.into()).set(*pods);
                }
                // A cause that was never seen has no series.
                None => {
                    if let Some(gauge) = self.metrics.stuck.get(&cause.into()) {
                        gauge.set(0);
                    }
                }
            }
        }
        let too_large = i64::try_from(self.too_large.len()).unwrap_or(i64::MAX);
        self.metrics.too_large.set(too_large);
        for mode in NodeMode::ALL {
            let in_force = self.config.policy.mode == mode;
            let mode = mode.as_str();
            let gauge = self.metrics.mode.get_or_create(&ByMode { mode });
            gauge.set(in_force.into());
        }
    }
}
