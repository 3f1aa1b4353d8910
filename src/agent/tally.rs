//! Sums since the start that `status` shows and no event changes.

use crate::judge::{Cause, Effect, Note};
use crate::view::Unrecognised;

/// Number of unknown errors that are kept.
const UNRECOGNISED: usize = 10;

/// The sums.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Errors that are not known, the latest last.
    pub(super) unrecognised: Vec<Unrecognised>,
    /// Pods that would have been failed and started after all.
    pub(super) started_after_all: u64,
}

impl Tally {
    /// Adds what follows from an event.
    pub(super) fn take(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Note(Note::StartedAfterAll { .. }) => self.started_after_all += 1,
                Effect::Note(Note::PullFailed { cause, error, .. })
                    if *cause == Cause::Unrecognised =>
                {
                    self.remember(error);
                }
                _ => {}
            }
        }
    }

    /// Keeps each text once.
    fn remember(&mut self, error: &str) {
        let known = &mut self.unrecognised;
        let same = known.iter().position(|k| k.message == error);
        let count = same.map_or(0, |at| known.remove(at).count);
        if known.len() >= UNRECOGNISED {
            known.remove(0);
        }
        known.push(Unrecognised {
            message: error.to_owned(),
            count: count + 1,
        });
    }
}
