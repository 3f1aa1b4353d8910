//! The action of an agent of this policy on a Pod, as far as one report can say.
//! Counts and brakes are on the node.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::judge::{Action, Failing, PodRules, PodView, Policy, Progress, Reason};

/// Action of an agent on a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Fail the Pod at its threshold.
    Fail,
    /// Delete the Pod at its threshold.
    Delete,
    /// Write an Event at the threshold that says what would have been done.
    Announce,
    /// Nothing: the Pod is not judged.
    Exempt,
    /// Nothing: the cause never fails a Pod.
    Never,
    /// Nothing yet: no pull has failed.
    NotCounted,
    /// Not known: rules use the namespace, which could not be read.
    Unknown,
    /// The Pod was failed already, and the kubelet is ending it.
    Ending,
}

/// Action of an agent on a Pod for one image, with its threshold or the reason for no action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Plan {
    /// The action.
    pub act: Act,
    /// Consecutive failures that it needs; `None` if only time counts, or nothing is done.
    pub failures: Option<u32>,
    /// Minimum duration; `None` if only failures count, or nothing is done.
    pub lasting: Option<Duration>,
    /// The reason why the Pod is not judged.
    pub exempt: Option<String>,
}

impl Plan {
    /// Returns the plan for a Pod and one of its images.
    pub fn of(
        policy: &Policy,
        view: &PodView,
        rules: &Result<PodRules, Reason>,
        failing: &Failing,
    ) -> Self {
        let rules = match rules {
            Ok(rules) => rules,
            Err(reason) => {
                return Self {
                    exempt: Some(reason.text()),
                    ..Self::without_threshold(Act::Exempt)
                };
            }
        };
        let act = match policy.action {
            _ if !rules.enforce() => Act::Announce,
            Action::Fail => Act::Fail,
            Action::Delete => Act::Delete,
        };
        if view.ending {
            return Self::without_threshold(Act::Ending);
        }
        if rules.namespace_unknown {
            return Self::without_threshold(Act::Unknown);
        }
        let (failures, lasting) = match failing.threshold {
            None | Some(Progress::KnownBad { .. }) => return Self::without_threshold(Act::Never),
            Some(_) if !failing.error.cause.counts() => {
                return Self::without_threshold(Act::NotCounted);
            }
            Some(Progress::Count { need, .. }) => (Some(need.get()), None),
            Some(Progress::Class { need, minimum, .. }) => (Some(need.get()), Some(minimum)),
            Some(Progress::Standing { minimum, .. }) => (None, Some(minimum)),
        };
        Self {
            act,
            failures,
            lasting,
            exempt: None,
        }
    }

    fn without_threshold(act: Act) -> Self {
        Self {
            act,
            failures: None,
            lasting: None,
            exempt: None,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_threshold = match self.act {
            Act::Fail => "fail",
            Act::Delete => "delete",
            Act::Announce => "announce",
            Act::Exempt => {
                let why = self.exempt.as_deref().unwrap_or_default();
                return write!(f, "not judge: {why}");
            }
            Act::Never => return f.write_str("never fail: the node's own trouble"),
            Act::NotCounted => return f.write_str("not count: no pull has failed"),
            Act::Unknown => {
                return f.write_str("not known: the namespace could not be read");
            }
            Act::Ending => return f.write_str("failed already: the kubelet is ending the Pod"),
        };
        f.write_str(at_threshold)?;
        let text = |lasting| {
            let text = humantime::format_duration(lasting).to_string();
            text.replace(' ', "")
        };
        match (self.failures, self.lasting.filter(|time| !time.is_zero())) {
            (Some(1), None) => f.write_str(" at the first failure"),
            (Some(1), Some(lasting)) => write!(f, " after a failure, and {}", text(lasting)),
            (Some(failures), None) => write!(f, " after {failures} failures"),
            (Some(failures), Some(lasting)) => {
                write!(
                    f,
                    " after {failures} failures in at least {}",
                    text(lasting)
                )
            }
            (None, Some(lasting)) => write!(f, " after {} of the same error", text(lasting)),
            (None, None) => f.write_str(" at once"),
        }
    }
}
