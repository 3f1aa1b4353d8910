//! The shape of a brake, what it may read, and what it says when it holds a verdict.

use std::fmt;
use std::time::Duration;

use super::state::Brakes;
use crate::judge::seconds::seconds;
use crate::judge::{Cause, ImageRecord, Moment, PodView};

/// One brake.
#[derive(Clone, Copy, Debug)]
pub struct Brake {
    /// Name in logs and metrics.
    pub name: &'static str,
    /// Text for docs/thresholds.md: when it holds, and what is likely at fault.
    pub about: &'static str,
    /// Returns the hold if the brake holds the verdict.
    pub holds: fn(&Context<'_>) -> Option<Hold>,
}

/// Input of a brake: one image that has reached its threshold.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Settings and memory of the brakes.
    pub brakes: &'a Brakes,
    /// The Pod.
    pub view: &'a PodView,
    /// Image reference as in the Pod spec.
    pub image: &'a str,
    /// Counts of the image.
    pub record: &'a ImageRecord,
    /// Cause of the image's last failure.
    pub cause: Cause,
    /// True if another Pod of the same owner was failed for the image within the last hour.
    pub known_bad: bool,
    /// Time since the image's first failure.
    pub lasting: Duration,
    /// True if rules use the labels or annotations of this namespace, and it is not known.
    pub namespace_unknown: bool,
    /// True if the Pod would be deleted, not failed (`action: delete`).
    pub deletes: bool,
    /// The present moment.
    pub now: Moment,
}

/// A brake that holds a verdict, with its reason for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    brake: &'static str,
    why: String,
    ends: Ends,
}

/// Event that ends a hold. Even then only the next failure decides, except for a standing reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// This much time has passed.
    After(Duration),
    /// The registry served a pull, or so much time has passed.
    WithPull(Option<Duration>),
    /// The budget has room: each Pod's place is free this long after it was failed.
    WithRoom(Duration),
    /// The namespace is known.
    WithNamespace,
    /// The configuration has changed.
    WithSettings,
}

/// Interval at which a standing reason is judged again while a budget is spent.
const LOOK: Duration = Duration::from_secs(10);

impl Brake {
    /// Returns a hold of this brake. The time that is left, if known, completes the text `why`.
    pub fn hold(&self, why: impl Into<String>, ends: Ends) -> Hold {
        Hold {
            brake: self.name,
            why: why.into(),
            ends,
        }
    }
}

impl Hold {
    /// Returns the brake's name.
    pub const fn brake(&self) -> &'static str {
        self.brake
    }

    /// Returns true if a pull from the registry ends the hold.
    pub const fn ends_with_pull(&self) -> bool {
        matches!(self.ends, Ends::WithPull(_))
    }

    /// Returns the longest time that is left, if it is known.
    pub const fn left(&self) -> Option<Duration> {
        match self.ends {
            Ends::After(left) | Ends::WithPull(Some(left)) => Some(left),
            Ends::WithPull(None) | Ends::WithRoom(_) | Ends::WithNamespace | Ends::WithSettings => {
                None
            }
        }
    }

    /// Takes passed time off the time that is left.
    pub fn age(&mut self, by: Duration) {
        if let Ends::After(left) | Ends::WithPull(Some(left)) = &mut self.ends {
            *left = left.saturating_sub(by);
        }
    }

    /// Returns the end of the sentence "the next failure …".
    pub fn next(&self) -> String {
        match self.ends {
            Ends::After(left) | Ends::WithPull(Some(left)) if left.as_secs() > 0 => {
                format!(" after {} more decides", seconds(&left))
            }
            Ends::After(_) | Ends::WithPull(Some(_)) | Ends::WithNamespace => " decides".to_owned(),
            Ends::WithPull(None) => {
                " after something was pulled from the registry decides".to_owned()
            }
            Ends::WithSettings => " after a change of the configuration decides".to_owned(),
            Ends::WithRoom(per) => format!(
                " after the budget has room again decides: a Pod's place is free {} after it was failed",
                seconds(&per)
            ),
        }
    }

    /// Returns the time after which the clock alone may end the hold of a standing reason.
    pub const fn ends_by_clock(&self) -> Option<Duration> {
        match self.ends {
            Ends::After(left) => Some(left),
            Ends::WithRoom(_) => Some(LOOK),
            // A standing reason asks no registry. Namespaces and settings come with an event.
            Ends::WithPull(_) | Ends::WithNamespace | Ends::WithSettings => None,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        match &self.ends {
            Ends::After(left) => write!(f, " {} more", seconds(left)),
            Ends::WithPull(Some(left)) => write!(f, " for {} at most", seconds(left)),
            Ends::WithPull(None) => f.write_str(" until something is"),
            Ends::WithRoom(_) | Ends::WithNamespace | Ends::WithSettings => Ok(()),
        }
    }
}
