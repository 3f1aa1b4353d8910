//! The reasons of a verdict, and their texts for people.

use std::fmt;
use std::time::Duration;

use crate::judge::brakes::hold::Hold;
use crate::judge::{ANNOTATION_MODE, Cause, Progress, RestartPolicy};
use crate::text::Shown;

/// One reason of a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The phase is not Pending (any more).
    NotPending,
    /// The Pod is bound to another node.
    NotOnThisNode,
    /// The Pod is being deleted.
    Terminating,
    /// The Pod is the mirror of a static Pod, which cannot be failed from outside.
    MirrorPod,
    /// The configuration exempts the namespace.
    NamespaceExcluded,
    /// The Pod has `pullwarden.io/mode: off`.
    SwitchedOff,
    /// A rule of the configuration sets the namespace's mode to off.
    NamespaceSwitchedOff,
    /// The Namespace has `pullwarden.io/mode: off`, and the Pod has no mode of its own.
    NamespaceAnnotatedOff,
    /// The restart policy is not in scope and the Pod did not ask.
    RestartPolicyNotCovered(RestartPolicy),
    /// The Pod has too many containers or images, or too long names or labels, to be judged.
    TooLarge,
    /// Every container is past its pull.
    AllPulled,
    /// The view is older than the last one.
    Stale,
    /// No failed pull was reported yet.
    NoFailure,
    /// Another Pod of the same name has taken its place.
    Replaced,
    /// The Pod or the node does not ask for enforcement any more.
    NotEnforcedAnyMore,
    /// No container waits for the image after a failed pull any more.
    NotWaitingForImage {
        /// Image reference.
        image: String,
    },
    /// A container waits for the image, and no failed pull is known: the kubelet was restarted, or
    /// the API server is behind.
    NoFailureYet {
        /// Image reference.
        image: String,
    },
    /// The report on this Pod is under way.
    BeingReported,
    /// Both writes were made; the kubelet is ending the Pod.
    BeingEnded,
    /// The agent only observes, and has announced that it would fail the Pod.
    AlreadyAnnounced,
    /// The threshold is reached.
    Reached {
        /// Image reference.
        image: String,
        /// Cause of the last failure.
        cause: Cause,
        /// Counts against the threshold.
        by: Progress,
    },
    /// The threshold is not reached.
    NotReached {
        /// Image reference.
        image: String,
        /// Cause of the last failure.
        cause: Cause,
        /// Counts against the threshold; `None` where the class never fails a Pod.
        by: Option<Progress>,
    },
    /// The threshold is reached, but a pull may be in flight: only a newly reported failure
    /// decides.
    AwaitsNextFailure {
        /// Image reference.
        image: String,
    },
    /// A brake holds the verdict.
    Held(Hold),
    /// Another Pod of this node has pulled the image since this one's first failure.
    PulledByAnother {
        /// Image reference.
        image: String,
    },
    /// The image is on the node by now.
    OnNode {
        /// Image reference.
        image: String,
    },
    /// The runtime pulled the image when the agent asked it to.
    PulledByRuntime {
        /// Image reference.
        image: String,
    },
    /// The runtime was still pulling the image when the agent told it to stop.
    StillPulling {
        /// Image reference.
        image: String,
    },
}

impl Reason {
    /// Returns the name of the brake in `status` and metrics; `None` for any other reason.
    pub const fn brake(&self) -> Option<&'static str> {
        match self {
            Self::Held(hold) => Some(hold.brake()),
            _ => None,
        }
    }

    /// Returns whether the reason says something of this image; `None` is the whole Pod.
    pub fn concerns(&self, image: Option<&str>) -> bool {
        image.is_none_or(|image| self.image().is_none_or(|of| of == image))
    }

    /// Returns the image that the reason names, if any.
    pub fn image(&self) -> Option<&str> {
        Some(match self {
            Self::NotWaitingForImage { image }
            | Self::NoFailureYet { image }
            | Self::Reached { image, .. }
            | Self::NotReached { image, .. }
            | Self::AwaitsNextFailure { image }
            | Self::PulledByAnother { image }
            | Self::OnNode { image }
            | Self::PulledByRuntime { image }
            | Self::StillPulling { image } => image,
            _ => return None,
        })
    }

    /// Returns the reason as it is after some time in which nothing has happened.
    pub fn aged(&self, by: Duration) -> Self {
        let mut aged = self.clone();
        match &mut aged {
            Self::Reached { by: progress, .. }
            | Self::NotReached {
                by: Some(progress), ..
            } => progress.age(by),
            Self::Held(hold) => hold.age(by),
            _ => {}
        }
        aged
    }

    /// Returns the time after which the reason changes by itself, at most for a brake; `None` if
    /// time alone does not change it.
    pub fn left(&self) -> Option<Duration> {
        match self {
            Self::NotReached { by: Some(by), .. } => by.left(),
            Self::Held(hold) => hold.left(),
            _ => None,
        }
    }

    /// Returns the event that has to come before the reason changes, if there is one.
    pub fn next(&self) -> Option<String> {
        const FAILURE: &str = "the next failed pull that the kubelet reports";
        Some(match self {
            Self::NoFailure => "the first failed pull, if there is one".to_owned(),
            Self::NotReached { by: Some(by), .. } => by.next(),
            Self::AwaitsNextFailure { .. }
            | Self::AlreadyAnnounced
            | Self::PulledByAnother { .. }
            | Self::OnNode { .. }
            | Self::PulledByRuntime { .. }
            | Self::StillPulling { .. } => format!("{FAILURE} decides"),
            Self::Held(hold) => format!("{FAILURE}{}", hold.next()),
            Self::BeingReported => "the answer of the API server".to_owned(),
            Self::BeingEnded => {
                "the kubelet ends the Pod, as soon as a pull that is in flight has ended".to_owned()
            }
            _ => return None,
        })
    }

    /// Returns the sentence for people, without the image.
    pub fn text(&self) -> String {
        let text = match self {
            Self::NotPending => "the Pod is not Pending",
            Self::NotOnThisNode => "the Pod is bound to another node",
            Self::Terminating => "the Pod is being deleted",
            Self::MirrorPod => "a static Pod cannot be failed through the API server",
            Self::NamespaceExcluded => "the configuration excludes the namespace",
            Self::SwitchedOff => return format!("the Pod's annotation {ANNOTATION_MODE}: off"),
            Self::NamespaceAnnotatedOff => {
                return format!("the Namespace's annotation {ANNOTATION_MODE}: off");
            }
            Self::NamespaceSwitchedOff => "the configuration switches the namespace off",
            Self::RestartPolicyNotCovered(policy) => {
                let policy = policy.as_str();
                return format!("restartPolicy {policy} is not in scope and the Pod does not ask");
            }
            Self::TooLarge => {
                "too large: more containers, images or bytes of their names, or of labels, than are judged"
            }
            Self::AllPulled => "every container is past its pull",
            Self::Stale => "an older view of the Pod, ignored",
            Self::NoFailure => "no failed pull reported",
            Self::Replaced => "another Pod has taken its name",
            Self::NotEnforcedAnyMore => "not to be enforced any more",
            Self::NotWaitingForImage { .. } => {
                "no container waits for it after a failed pull any more"
            }
            Self::NoFailureYet { .. } => "the API server knows of no failed pull of it",
            Self::BeingReported => "being reported",
            Self::BeingEnded => "written; the kubelet is ending the Pod",
            Self::AlreadyAnnounced => "observing: already said what would be done",
            Self::Reached { cause, by, .. } => return format!("{cause}, reached: {by}"),
            Self::NotReached {
                cause,
                by: Some(by),
                ..
            } => return format!("{cause}, {by}"),
            Self::NotReached { cause, .. } => {
                return format!("{cause}, never a reason to fail the Pod");
            }
            Self::AwaitsNextFailure { .. } => "a pull may be in flight, the next failure decides",
            Self::Held(hold) => return hold.to_string(),
            Self::PulledByAnother { .. } => {
                "another Pod of this node has pulled it meanwhile (its credentials may differ): spared once"
            }
            Self::OnNode { .. } => "is on the node by now: spared once",
            Self::PulledByRuntime { .. } => "the runtime pulled it when asked: spared once",
            Self::StillPulling { .. } => "the runtime was still pulling it when asked: spared once",
        };
        text.to_owned()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(image) = self.image() {
            write!(f, "{}: ", Shown(image))?;
        }
        f.write_str(&self.text())
    }
}
