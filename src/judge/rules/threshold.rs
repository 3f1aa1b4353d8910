//! Thresholds, and the progress of an image towards one.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::judge::Class;
use crate::judge::seconds::seconds;
use crate::text::Shown;

/// Failures, and the minimum duration, that a class asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Consecutive failures.
    pub failures: NonZeroU32,
    /// Minimum duration, from the first of them to the last.
    pub lasting: Duration,
}

/// Threshold of each class that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds(BTreeMap<Class, Threshold>);

impl Thresholds {
    /// Returns the thresholds per class. Unknown errors have that of transient ones. The node's own
    /// trouble has none.
    pub fn new(
        permanent: Threshold,
        denied: Threshold,
        corrupt: Threshold,
        transient: Threshold,
    ) -> Self {
        Self(BTreeMap::from([
            (Class::Permanent, permanent),
            (Class::Denied, denied),
            (Class::Corrupt, corrupt),
            (Class::Transient, transient),
            (Class::Unknown, transient),
        ]))
    }

    /// Returns the threshold of a class; `None` for one that never fails a Pod.
    pub fn of(&self, class: Class) -> Option<Threshold> {
        self.0.get(&class).copied()
    }
}

/// Counts of an image against a threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Against `imagePullFailureCount`.
    Count {
        /// Consecutive failures that count for it.
        have: u32,
        /// Failures that the user asks for.
        need: NonZeroU32,
    },
    /// Against the threshold of a class.
    Class {
        /// The class.
        class: Class,
        /// Consecutive failures.
        have: u32,
        /// Failures that the threshold asks for.
        need: NonZeroU32,
        /// Time since the first of them.
        lasting: Duration,
        /// Minimum duration.
        minimum: Duration,
    },
    /// Of a standing reason, which has no attempts to count.
    Standing {
        /// Time that the reason has stood.
        lasting: Duration,
        /// Minimum duration.
        minimum: Duration,
    },
    /// Another Pod of the same owner was failed for the image: the next failure of the same cause is
    /// enough.
    KnownBad {
        /// Name of that Pod.
        pod: String,
        /// Time since it was failed.
        ago: Duration,
    },
}

impl Progress {
    /// Returns what is missing, for people.
    pub(in crate::judge) fn next(&self) -> String {
        let failures = |have: u32, need: NonZeroU32| match need.get().saturating_sub(have) {
            0 => "the next failed pull decides".to_owned(),
            1 => "one more failed pull decides".to_owned(),
            more => format!("{more} more failed pulls decide"),
        };
        let left = self.left().unwrap_or_default();
        match self {
            Self::Count { have, need } => failures(*have, *need),
            Self::Class { have, need, .. } if left.is_zero() => failures(*have, *need),
            Self::Class { have, need, .. } => format!(
                "{}, not before {} from now (if none of them is of a more patient class)",
                failures(*have, *need),
                seconds(&left)
            ),
            Self::Standing { .. } => format!("{} more of the same", seconds(&left)),
            Self::KnownBad { .. } => "the next failed pull decides".to_owned(),
        }
    }

    /// Returns the rest of the minimum duration; `None` if only failures count.
    pub(in crate::judge) fn left(&self) -> Option<Duration> {
        match self {
            Self::Count { .. } | Self::KnownBad { .. } => None,
            Self::Class {
                lasting, minimum, ..
            }
            | Self::Standing { lasting, minimum } => Some(minimum.saturating_sub(*lasting)),
        }
    }

    /// Adds time that has passed without a failure.
    pub(in crate::judge) fn age(&mut self, by: Duration) {
        match self {
            Self::Count { .. } => {}
            Self::Class { lasting, .. }
            | Self::Standing { lasting, .. }
            | Self::KnownBad { ago: lasting, .. } => *lasting += by,
        }
    }

    /// Returns true if the threshold is reached.
    pub(in crate::judge) fn is_reached(&self) -> bool {
        match self {
            Self::Count { have, need } => *have >= need.get(),
            Self::Class {
                have,
                need,
                lasting,
                minimum,
                ..
            } => *have >= need.get() && lasting >= minimum,
            Self::Standing { lasting, minimum } => lasting >= minimum,
            Self::KnownBad { .. } => true,
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { have, need } => write!(f, "{have} of {need} failures"),
            Self::Class {
                class,
                have,
                need,
                lasting,
                minimum,
            } => write!(
                f,
                "{have} of {need} failures and {} of {} ({class})",
                seconds(lasting),
                seconds(minimum)
            ),
            Self::Standing { lasting, minimum } => {
                write!(f, "stood for {} of {}", seconds(lasting), seconds(minimum))
            }
            Self::KnownBad { pod, ago } => write!(
                f,
                "known bad, the Pod {} of the same owner was failed for it {} ago",
                Shown(pod),
                seconds(ago)
            ),
        }
    }
}
