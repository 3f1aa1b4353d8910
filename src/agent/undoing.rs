//! Reverts a condition that is not true any more: tries until a read shows that it does not stand.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::{info, warn};

use super::Agent;
use super::reports::Report;
use crate::judge::{Condemned, Mark, Moment, Undone};
use crate::report::{self, Line, Trace};

/// The first and the longest pause, before jitter, until a condition that still stands is tried again. Each is twice the one before.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// How long a try may take. One that has not ended by then ended without a word.
const LEASE: Duration = Duration::from_secs(300);

/// How long after a start the evidence may take to name a Pod that an earlier run has marked. Then the Pod itself is read.
pub(super) const NAMED_BY: Duration = Duration::from_secs(30);

/// When the condition of each Pod is tried next, and after which pause once more.
#[derive(Debug, Default)]
pub(super) struct Undoing {
    tries: BTreeMap<String, Try>,
    /// How many marks there were when it was last looked.
    marks: usize,
}

#[derive(Debug)]
struct Try {
    not_before: Moment,
    pause: Duration,
}

impl Undoing {
    /// Whether it is time to try; if so, the try begins.
    fn begins(&mut self, uid: &str, now: Moment) -> bool {
        let first = Try {
            not_before: now,
            pause: PAUSES.0,
        };
        let next = self.tries.entry(uid.to_owned()).or_insert(first);
        let is_due = now >= next.not_before;
        if is_due {
            next.not_before = now.after(LEASE);
        }
        is_due
    }

    /// A try has failed. `share` tells this node from the others. Whether that is news.
    fn failed(&mut self, uid: &str, now: Moment, share: f64) -> bool {
        let Some(next) = self.tries.get_mut(uid) else {
            return false;
        };
        next.not_before = now.after(next.pause.mul_f64(1.0 + share));
        let is_first = next.pause == PAUSES.0;
        next.pause = (next.pause * 2).min(PAUSES.1);
        is_first
    }
}

impl Agent {
    /// Reverts the conditions that are not true any more, as far as it is time to try.
    pub(super) fn take_back_what_is_over(&mut self, now: Moment) {
        if now >= self.named_by {
            self.docket.unnamed_is_over();
        }
        let marks: Vec<(String, Mark)> = self.docket.to_take_back();
        for (uid, mark) in marks {
            if self.undoing.begins(&uid, now) {
                self.take_back(&uid, &mark);
            }
        }
        let ledger = &self.docket.ledger;
        self.undoing.tries.retain(|uid, _| ledger.is_marked(uid));
        let marks = ledger.marks().count();
        self.unsaved |= std::mem::replace(&mut self.undoing.marks, marks) != marks;
    }

    fn take_back(&mut self, uid: &str, mark: &Mark) {
        let condemned = Box::new(Condemned::nobody(uid, &mark.namespace, &mark.name));
        let (api, at) = (self.api.clone(), self.clock.wall());
        let action = self.config.policy.action;
        self.reports.spawn(async move {
            let (undone, trace) = match api.client().await {
                Ok(client) => report::take_back(client, &condemned, action, at).await,
                Err(_) => (Undone::Standing, Vec::new()),
            };
            Report::TakenBack {
                condemned,
                undone,
                trace,
            }
        });
    }

    /// Takes up what a revert has come to.
    pub(super) fn taken_back(&mut self, condemned: &Condemned, undone: Undone, trace: &[Trace]) {
        self.trace(condemned, trace);
        let Condemned {
            namespace,
            name: pod,
            uid,
            ..
        } = condemned;
        let (now, share) = (self.clock.now(), self.share());
        if undone != Undone::Standing {
            // A report that has begun meanwhile may leave the condition again: then it is tried at once.
            self.undoing.tries.remove(uid);
        }
        match undone {
            Undone::Clear => {
                info!(%namespace, %pod, "the condition was reverted, or did not stand")
            }
            Undone::Written => {}
            Undone::Standing => {
                if !self.undoing.failed(uid, now, share) {
                    return;
                }
                warn!(%namespace, %pod, "the condition could not be reverted, trying again until it is");
            }
        }
        self.docket.taken_back(uid, undone, now);
        let line = Line::Undone {
            namespace,
            pod,
            uid,
            undone: undone.as_str(),
        };
        self.write_line(now, &line);
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
        let mut undoing = Undoing::default();
        let mut now = at(0);
        for pause in [5, 10, 20, 40, 80, 160, 320, 600, 600] {
            assert!(undoing.begins("a", now) && !undoing.begins("a", now));
            assert_eq!(undoing.failed("a", now, 0.0), pause == 5);
            now = now.after(Duration::from_secs(pause));
        }
    }

    #[test]
    fn a_try_without_a_word_is_made_again() {
        let mut undoing = Undoing::default();
        assert!(undoing.begins("a", at(0)) && !undoing.begins("a", at(299)));
        assert!(undoing.begins("a", at(300)));
    }
}
