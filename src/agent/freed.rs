//! Capacity that the failed Pods do not hold any more.

use std::collections::VecDeque;
use std::time::Duration;

use crate::evidence::Requests;
use crate::judge::Moment;

/// Time that counts for one Pod, at most. Nobody knows how long it would have waited; by the next day
/// somebody would have noticed.
const AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// The Pods failed within that time, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Freed {
    pods: VecDeque<(Moment, Requests)>,
    counted: Option<Moment>,
}

impl Freed {
    /// The kubelet ends a Pod that asked for this much.
    pub(super) fn add(&mut self, requests: Requests, now: Moment) {
        self.pods.push_back((now, requests));
    }

    /// Returns what was freed since the last call: amounts times seconds.
    pub(super) fn since_last(&mut self, now: Moment) -> Requests {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    #[test]
    fn each_pod_counts_from_its_end_on_for_a_day() {
        let mut freed = Freed::default();
        assert_eq!(freed.since_last(at(5)), Requests::default());
        let one = Requests {
            cpu: 2.0,
            ..Requests::default()
        };
        freed.add(one, at(10));
        assert_eq!(freed.since_last(at(20)).cpu, 20.0);
        freed.add(one, at(20));
        assert_eq!(freed.since_last(at(30)).cpu, 40.0);
        assert_eq!(freed.since_last(at(30)).cpu, 0.0);
        // A day is over for the one ten seconds before it is for the other.
        let day = AT_MOST.as_secs();
        let rest = (day - 20) + (day - 10);
        assert_eq!(freed.since_last(at(day + 100)).cpu, 2.0 * rest as f64);
        assert!(freed.pods.is_empty());
        assert_eq!(freed.since_last(at(2 * day)).cpu, 0.0);
    }
}
