use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::judge::Class;

/// What was counted, against what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// `imagePullFailureCount`.
    Count {
        /// Failures in a row that count for it.
        have: u32,
        /// The count that was given.
        need: NonZeroU32,
    },
    /// A class's threshold.
    Class {
        /// The class whose threshold it is.
        class: Class,
        /// Consecutive failures.
        have: u32,
        /// The failures it takes.
        need: NonZeroU32,
        /// How long they have lasted.
        lasting: Duration,
        /// How long they must last.
        at_least: Duration,
    },
    /// A standing reason.
    Standing {
        /// How long it has stood.
        lasting: Duration,
        /// How long it must stand.
        at_least: Duration,
    },
}

impl Measure {
    /// What is missing.
    pub(in crate::judge) fn next(&self) -> String {
        let failures = |have: u32, need: NonZeroU32| match need.get().saturating_sub(have) {
            0 => "the next failed pull decides".to_owned(),
            1 => "one more failed pull decides".to_owned(),
            more => format!("{more} more failed pulls decide"),
        };
        let left = |lasting: &Duration, at_least: &Duration| at_least.saturating_sub(*lasting);
        match self {
            Self::Count { have, need } => failures(*have, *need),
            Self::Class {
                have,
                need,
                lasting,
                at_least,
                ..
            } => match left(lasting, at_least) {
                Duration::ZERO => failures(*have, *need),
                left => format!(
                    "{}, not before {} from now (if none of them is of a more patient class)",
                    failures(*have, *need),
                    seconds(&left)
                ),
            },
            Self::Standing { lasting, at_least } => {
                format!("{} more of the same", seconds(&left(lasting, at_least)))
            }
        }
    }

    /// So much time has passed, and nothing else has happened.
    pub(in crate::judge) fn age(&mut self, by: Duration) {
        match self {
            Self::Count { .. } => {}
            Self::Class { lasting, .. } | Self::Standing { lasting, .. } => *lasting += by,
        }
    }

    pub(in crate::judge) fn is_reached(&self) -> bool {
        match self {
            Self::Count { have, need } => *have >= need.get(),
            Self::Class {
                have,
                need,
                lasting,
                at_least,
                ..
            } => *have >= need.get() && lasting >= at_least,
            Self::Standing { lasting, at_least } => lasting >= at_least,
        }
    }
}

/// Whole seconds: what a person wants to read.
pub(in crate::judge) fn seconds(duration: &Duration) -> String {
    let (total, mut out) = (duration.as_secs(), String::new());
    for (unit, size) in [("h", 3600), ("m", 60), ("s", 1)] {
        let count = match unit {
            "h" => total / size,
            _ => total / size % 60,
        };
        if count > 0 {
            out.push_str(&format!("{count}{unit}"));
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { have, need } => write!(f, "{have} of {need} failures"),
            Self::Class {
                class,
                have,
                need,
                lasting,
                at_least,
            } => write!(
                f,
                "{have} of {need} failures and {} of {} ({class})",
                seconds(lasting),
                seconds(at_least)
            ),
            Self::Standing { lasting, at_least } => {
                write!(f, "stood for {} of {}", seconds(lasting), seconds(at_least))
            }
        }
    }
}
