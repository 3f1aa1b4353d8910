//! Verdicts that a replay comes to, held against those of the record.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::tally::Tally;
use crate::journal::line;
use crate::judge::{Moment, PodId, Reason, Verdict};

/// Number of disagreements that are kept in words.
const TOLD: usize = 20;

/// The verdicts that the record should have next.
#[derive(Debug, Default)]
pub(super) struct Expected {
    next: VecDeque<Next>,
    /// Differences between the record and the replay, in words.
    pub(super) disagreements: Vec<String>,
}

/// A verdict that the record should have; or may have, if that is not known.
#[derive(Debug)]
struct Next {
    said: Said,
    is_sure: bool,
}

/// A verdict, as it is compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) uid: String,
    pub(super) decision: String,
    reasons: Vec<String>,
    at: Moment,
}

impl Said {
    pub(super) fn by(verdict: &line::Verdict, at: Moment) -> Self {
        Self {
            uid: verdict.of.uid.clone(),
            decision: verdict.decision.clone(),
            reasons: verdict.reasons.clone(),
            at,
        }
    }

    pub(super) fn of(pod: &PodId, verdict: &Verdict, at: Moment) -> Self {
        Self {
            uid: pod.uid.clone(),
            decision: verdict.decision.as_str().to_owned(),
            reasons: verdict.reasons.iter().map(Reason::to_string).collect(),
            at,
        }
    }
}

impl Expected {
    /// Number of verdicts that are expected.
    pub(super) fn len(&self) -> usize {
        self.next.len()
    }

    /// Forgets the verdicts that were expected.
    pub(super) fn clear(&mut self) {
        self.next.clear();
    }

    /// Expects a verdict.
    pub(super) fn expect(&mut self, said: Said, is_sure: bool) {
        self.next.push_back(Next { said, is_sure });
    }

    /// Compares a verdict of the record with the one that is expected.
    pub(super) fn compare(&mut self, said: &Said, time: Timestamp, tally: &mut Tally) {
        let passes = |next: &Next| !next.is_sure && next.said != *said;
        while self.next.front().is_some_and(passes) {
            self.next.pop_front();
        }
        match self.next.pop_front() {
            Some(next) if next.said == *said => tally.agreed += 1,
            other => {
                let other = other.map(|other| other.said);
                self.disagree(
                    format!("{time}: the record has {said:?}, this version comes to {other:?}"),
                    tally,
                );
            }
        }
    }

    /// The record has none of the verdicts that are expected.
    pub(super) fn miss(&mut self, time: Timestamp, tally: &mut Tally) {
        for Next { said, is_sure } in std::mem::take(&mut self.next) {
            if is_sure {
                let text =
                    format!("{time}: the record has no verdict, this version comes to {said:?}");
                self.disagree(text, tally);
            }
        }
    }

    fn disagree(&mut self, text: String, tally: &mut Tally) {
        tally.disagreed += 1;
        if self.disagreements.len() < TOLD {
            self.disagreements.push(text);
        }
    }
}
