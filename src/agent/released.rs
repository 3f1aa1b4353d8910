//! What the Pods that were failed do not hold any more.

use std::collections::VecDeque;
use std::time::Duration;

use super::Agent;
use crate::evidence::Requests;
use crate::judge::Moment;

/// How long such a Pod would have gone on waiting nobody knows; so much of it counts, at most: by the next day somebody would have looked.
const AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// The Pods failed within that time, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Released {
    pods: VecDeque<(Moment, Requests)>,
    counted: Option<Moment>,
}

impl Released {
    fn add(&mut self, requests: Requests, now: Moment) {
        self.pods.push_back((now, requests));
    }

    /// What was given back since it was last counted: amounts times seconds.
    fn since_last(&mut self, now: Moment) -> Requests {
        let mut sum = Requests::default();
        let counted = self.counted.replace(now);
        for (failed, requests) in &self.pods {
            let from = counted.map_or(*failed, |counted| counted.max(*failed));
            let until = now.min(failed.after(AT_MOST));
            sum = sum.plus(requests.times(until.since(from).as_secs_f64()));
        }
        let is_over = |failed: Moment| now.since(failed) >= AT_MOST;
        while self
            .pods
            .front()
            .is_some_and(|(failed, _)| is_over(*failed))
        {
            self.pods.pop_front();
        }
        sum
    }
}

impl Agent {
    /// The kubelet ends a Pod that asked for this much.
    pub(super) fn release(&mut self, requests: Requests, now: Moment) {
        self.count_released(now);
        self.released.add(requests, now);
    }

    /// Brings the counters of what was given back up to date.
    pub(super) fn count_released(&mut self, now: Moment) {
        let Requests {
            cpu,
            memory,
            devices,
        } = self.released.since_last(now);
        self.metrics.given_back_cpu.inc_by(cpu);
        self.metrics.given_back_memory.inc_by(memory);
        self.metrics.given_back_devices.inc_by(devices);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    #[test]
    fn each_pod_counts_from_its_end_on_for_a_day() {
        let mut released = Released::default();
        assert_eq!(released.since_last(at(5)), Requests::default());
        let one = Requests {
            cpu: 2.0,
            ..Requests::default()
        };
        released.add(one, at(10));
        assert_eq!(released.since_last(at(20)).cpu, 20.0);
        released.add(one, at(20));
        assert_eq!(released.since_last(at(30)).cpu, 40.0);
        assert_eq!(released.since_last(at(30)).cpu, 0.0);
        // A day is over for the one ten seconds before it is for the other.
        let day = AT_MOST.as_secs();
        let rest = (day - 20) + (day - 10);
        assert_eq!(released.since_last(at(day + 100)).cpu, 2.0 * rest as f64);
        assert!(released.pods.is_empty());
        assert_eq!(released.since_last(at(2 * day)).cpu, 0.0);
    }
}
