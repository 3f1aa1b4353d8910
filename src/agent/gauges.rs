//! What of the agent's state its gauges show, brought up to date at each look.

use super::Agent;
use crate::judge::{Cause, NodeMode};
use crate::metrics::ByMode;
use crate::view;

impl Agent {
    /// Brings the gauges of what is stuck, and of the mode, up to date.
    pub(super) fn count_state(&self) {
        let stuck = view::stuck(&self.docket);
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
