//! The counts of one image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::judge::{Cause, Class, Moment};

/// The counts of one image in one Pod, since it last got past its pull.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageRecord {
    /// Failed attempts.
    pub failures: u32,
    /// Moment at which the first of them was seen; unknown after a reboot until the next.
    pub since: Option<Moment>,
    /// Failures in a row of the classes permanent, denied and corrupt, in any mix: what `imagePullFailureCount` counts.
    pub in_a_row: u32,
    /// Per class: consecutive failures of that class or of less patient ones.
    pub rows: BTreeMap<Class, Row>,
    /// A reason without attempts that stands now, and since when.
    pub standing: Option<Standing>,
    /// The last failed attempt, or the standing reason.
    pub last: Option<LastError>,
    /// Since when a brake of its registry has held it.
    pub held: Option<Moment>,
    /// The last pull from its registry, as known when its last failure was reported.
    pub pulled: Option<Moment>,
    /// Nothing had been pulled from it since the node was started.
    pub new: bool,
    /// Another Pod of this node has pulled it since the first failure.
    pub sibling: bool,
    /// It was spared once because of what the node's runtime knows: not again.
    pub spared: bool,
    /// Its time had come, and this is why the Pod was not failed.
    pub due: Option<Because>,
    /// The API server has denied to fail the Pod for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied: Option<Denied>,
}

/// Writes that the API server has denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// Number in a row, for the same refusal.
    pub times: u32,
    /// Moment until which no write is tried; `None` if that was on another boot, or by other
    /// settings.
    pub until: Option<Moment>,
    /// The admission plugin that refused, in a phrase; `None` if none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

impl ImageRecord {
    /// Since when it fails, as far as known.
    pub fn failing_since(&self) -> Option<Moment> {
        self.standing.map_or(self.since, |standing| standing.since)
    }

    /// Counts one failed attempt. False if it was none (the kubelet's own limiter, a cancelled pull).
    pub(in crate::judge) fn fail(&mut self, error: LastError, now: Moment) -> bool {
        let cause = error.cause;
        self.last = Some(error);
        if !cause.counts() {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        self.since.get_or_insert(now);
        let class = cause.class();
        if class.patience() <= Class::Corrupt.patience() {
            self.in_a_row = self.in_a_row.saturating_add(1);
        } else {
            self.in_a_row = 0;
        }
        for of in Class::ALL {
            // Equally patient classes leave each other's rows alone.
            if of == class || class.patience() < of.patience() {
                let row = self.rows.entry(of).or_insert(Row {
                    failures: 0,
                    since: Some(now),
                });
                row.failures = row.failures.saturating_add(1);
                row.since.get_or_insert(now);
            } else if class.patience() > of.patience() {
                self.rows.remove(&of);
            }
        }
        true
    }
}

/// Reason why a Pod was not failed although its threshold was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Because {
    /// The agent only observed.
    Observing,
    /// A brake held the verdict.
    Held,
    /// It was spared before the write, or the write was not made.
    Spared,
}

impl Because {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::Observing, Self::Held, Self::Spared];

    /// The word used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observing => "observing",
            Self::Held => "held",
            Self::Spared => "spared",
        }
    }
}

/// Consecutive failures that count for one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Number of failures.
    pub failures: u32,
    /// Moment at which the first of them was seen; `None` if that was on another boot.
    pub since: Option<Moment>,
}

/// A waiting reason under which no attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its cause.
    pub cause: Cause,
    /// Since when it has been seen; `None` if that was on another boot.
    pub since: Option<Moment>,
    /// The reason is an error's text. It may pass by itself: a secret can be mended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub free_text: bool,
}

/// An error as it was reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// Cause of the error.
    pub cause: Cause,
    /// Its text, at most 1 KiB, control characters escaped.
    pub message: String,
}
