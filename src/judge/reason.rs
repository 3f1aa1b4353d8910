use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::{ANNOTATION_MODE, Budget, Cause, Class, RestartPolicy, Shown};

/// One reason of a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The phase is not Pending (any more).
    NotPending,
    /// The Pod is bound to another node.
    NotOnThisNode,
    /// The Pod is being deleted.
    Terminating,
    /// A static Pod's mirror: cannot be failed from outside.
    MirrorPod,
    /// The configuration leaves the namespace alone.
    NamespaceExcluded,
    /// `pullwarden.io/mode: off`.
    SwitchedOff,
    /// The restart policy is not in scope and the Pod did not ask.
    RestartPolicyNotCovered(RestartPolicy),
    /// Every container is past its pull.
    AllPulled,
    /// A view older than the last one.
    Stale,
    /// No failed pull was reported yet.
    NoFailure,
    /// Another Pod of the same name has taken its place.
    Replaced,
    /// The Pod or the node does not ask for it any more.
    NotEnforcedAnyMore,
    /// No container waits for the image after a failed pull any more.
    NotWaitingForImage {
        /// The image.
        image: String,
    },
    /// The report on this Pod is under way.
    BeingReported,
    /// Both writes were made; the kubelet is ending the Pod.
    BeingEnded,
    /// Observing: what would have been done was already said.
    AlreadyAnnounced,
    /// The threshold is reached.
    Reached {
        /// The image.
        image: String,
        /// Why its pull fails.
        cause: Cause,
        /// What was counted against what was asked for.
        by: Measure,
    },
    /// The threshold is not reached.
    NotReached {
        /// The image.
        image: String,
        /// Why its pull fails.
        cause: Cause,
        /// What was counted against what was asked for; `None` where the class never condemns.
        by: Option<Measure>,
    },
    /// The threshold is reached, but a pull may be in flight: only a newly reported failure decides.
    AwaitsNextFailure {
        /// The image.
        image: String,
    },
    /// `restartPolicy: Always` waits longer.
    AlwaysWaits {
        /// How long there is to wait.
        left: Duration,
    },
    /// The agent only watches after its first start on a boot.
    WarmUp {
        /// How long there is to wait.
        left: Duration,
    },
    /// The node's budget is spent.
    NodeBudgetSpent(Budget),
    /// The owner's budget is spent.
    OwnerBudgetSpent(Budget),
}

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
    pub(super) fn is_reached(&self) -> bool {
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
fn seconds(duration: &Duration) -> String {
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

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPending => f.write_str("the Pod is not Pending"),
            Self::NotOnThisNode => f.write_str("the Pod is bound to another node"),
            Self::Terminating => f.write_str("the Pod is being deleted"),
            Self::MirrorPod => f.write_str("a static Pod cannot be failed through the API server"),
            Self::NamespaceExcluded => f.write_str("the configuration excludes the namespace"),
            Self::SwitchedOff => write!(f, "the Pod's annotation {ANNOTATION_MODE}: off"),
            Self::RestartPolicyNotCovered(policy) => write!(
                f,
                "restartPolicy {} is not in scope and the Pod does not ask",
                policy.as_str()
            ),
            Self::AllPulled => f.write_str("every container is past its pull"),
            Self::Stale => f.write_str("an older view of the Pod, ignored"),
            Self::NoFailure => f.write_str("no failed pull reported"),
            Self::Replaced => f.write_str("another Pod has taken its name"),
            Self::NotEnforcedAnyMore => f.write_str("not to be enforced any more"),
            Self::NotWaitingForImage { image } => {
                write!(
                    f,
                    "{}: no container waits for it after a failed pull any more",
                    Shown(image)
                )
            }
            Self::BeingReported => f.write_str("being reported"),
            Self::BeingEnded => f.write_str("written; the kubelet is ending the Pod"),
            Self::AlreadyAnnounced => f.write_str("observing: already said what would be done"),
            Self::Reached { image, cause, by } => {
                write!(f, "{}: {cause}, reached: {by}", Shown(image))
            }
            Self::NotReached {
                image,
                cause,
                by: Some(by),
            } => write!(f, "{}: {cause}, {by}", Shown(image)),
            Self::NotReached { image, cause, .. } => {
                write!(
                    f,
                    "{}: {cause}, never a reason to fail the Pod",
                    Shown(image)
                )
            }
            Self::AwaitsNextFailure { image } => {
                write!(
                    f,
                    "{}: a pull may be in flight, the next failure decides",
                    Shown(image)
                )
            }
            Self::AlwaysWaits { left } => {
                write!(f, "restartPolicy Always waits {} more", seconds(left))
            }
            Self::WarmUp { left } => write!(f, "warming up for {} more", seconds(left)),
            Self::NodeBudgetSpent(budget) => write!(
                f,
                "the node's budget of {} Pods per {} is spent",
                budget.pods,
                seconds(&budget.per)
            ),
            Self::OwnerBudgetSpent(budget) => write!(
                f,
                "the owner's budget of {} Pods per {} is spent",
                budget.per_owner,
                seconds(&budget.per)
            ),
        }
    }
}
