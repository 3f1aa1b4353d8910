//! Schedule of the tries to revert our conditions on a Pod. The tries go on until a read shows that
//! none stands.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::judge::Moment;
use crate::report::LONGEST_PAUSE;

/// First and longest pause, before jitter, until a condition that still stands is tried again. Each
/// is twice the one before.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// Time that a try may take. One that has not ended by then has ended without an answer.
const LEASE: Duration = Duration::from_secs(300);

/// The next try of each Pod, by UID.
#[derive(Debug, Default)]
pub(super) struct Reverts(BTreeMap<String, Try>);

#[derive(Debug)]
struct Try {
    not_before: Moment,
    pause: Duration,
}

impl Try {
    const fn first(now: Moment) -> Self {
        Self {
            not_before: now,
            pause: PAUSES.0,
        }
    }
}

impl Reverts {
    /// Begins a try if it is time to. Returns whether it is.
    pub(super) fn begins(&mut self, uid: &str, now: Moment) -> bool {
        let first = Try::first(now);
        let next = self.0.entry(uid.to_owned()).or_insert(first);
        let is_due = now >= next.not_before;
        if is_due {
            next.not_before = now.after(LEASE);
        }
        is_due
    }

    /// The API server asks for a pause: no try begins before it has passed, a minute at most. `share`
    /// tells this node from the others.
    pub(super) fn rest(&mut self, uid: &str, now: Moment, share: f64, asked: Duration) {
        let first = Try::first(now);
        let next = self.0.entry(uid.to_owned()).or_insert(first);
        let rested = now.after(asked.min(LONGEST_PAUSE) + PAUSES.0.mul_f64(share));
        next.not_before = next.not_before.max(rested);
    }

    /// A try has failed. A pause that the API server asks for is added to its own, up to a minute.
    /// `share` tells this node from the others. Returns whether that is news.
    pub(super) fn failed(
        &mut self,
        uid: &str,
        now: Moment,
        share: f64,
        asked: Option<Duration>,
    ) -> bool {
        let Some(next) = self.0.get_mut(uid) else {
            return false;
        };
        let asked = asked.unwrap_or_default().min(LONGEST_PAUSE);
        next.not_before = now.after(next.pause.mul_f64(1.0 + share) + asked);
        let is_first = next.pause == PAUSES.0;
        next.pause = (next.pause * 2).min(PAUSES.1);
        is_first
    }

    /// A try has ended: the condition does not stand, or is right. A report that begins later may
    /// leave it again; then it is tried at once.
    pub(super) fn done(&mut self, uid: &str) {
        self.0.remove(uid);
    }

    /// Forgets the Pods on which no condition of ours stands.
    pub(super) fn keep(&mut self, is_marked: impl Fn(&str) -> bool) {
        self.0.retain(|uid, _| is_marked(uid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    #[test]
    fn each_pause_is_twice_the_one_before_up_to_ten_minutes() {
        let mut reverts = Reverts::default();
        let mut now = at(0);
        for pause in [5, 10, 20, 40, 80, 160, 320, 600, 600] {
            assert!(reverts.begins("a", now) && !reverts.begins("a", now));
            assert_eq!(reverts.failed("a", now, 0.0, None), pause == 5);
            now = now.after(Duration::from_secs(pause));
        }
    }

    #[test]
    fn what_the_api_server_asks_for_comes_on_top_up_to_a_minute() {
        for (asked, expected) in [(20, 25), (61, 65), (u64::MAX, 65)] {
            let mut reverts = Reverts::default();
            assert!(reverts.begins("a", at(0)));
            reverts.failed("a", at(0), 0.0, Some(Duration::from_secs(asked)));
            assert!(!reverts.begins("a", at(expected - 1)) && reverts.begins("a", at(expected)));
        }
    }

    #[test]
    fn a_report_that_was_asked_to_wait_holds_the_first_try() {
        let mut reverts = Reverts::default();
        reverts.rest("a", at(0), 1.0, Duration::MAX);
        reverts.rest("a", at(0), 0.0, Duration::from_secs(1));
        assert!(!reverts.begins("a", at(64)) && reverts.begins("a", at(65)));
        assert!(reverts.failed("a", at(65), 0.0, None), "the first is news");
    }

    #[test]
    fn a_try_without_a_word_is_made_again() {
        let mut reverts = Reverts::default();
        assert!(reverts.begins("a", at(0)) && !reverts.begins("a", at(299)));
        assert!(reverts.begins("a", at(300)));
    }
}
