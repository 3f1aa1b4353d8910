use std::fmt;
use std::time::Duration;

use crate::judge::brakes::hold::Hold;
use crate::judge::{ANNOTATION_MODE, Cause, Measure, RestartPolicy, Shown};

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
    /// A rule of the configuration for the namespace: off.
    NamespaceSwitchedOff,
    /// The restart policy is not in scope and the Pod did not ask.
    RestartPolicyNotCovered(RestartPolicy),
    /// The Pod has too many containers or images, or too long names, to be judged.
    TooLarge,
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
    /// A container waits for the image, and no failed pull is known of it: the kubelet was restarted, or the API server is behind.
    NoFailureYet {
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
    /// A brake holds the verdict.
    Held(Hold),
    /// Another Pod of this node has pulled the image since this one's first failure.
    PulledByAnother {
        /// The image.
        image: String,
    },
    /// The image is on the node by now.
    OnNode {
        /// The image.
        image: String,
    },
    /// The runtime pulled the image when it was asked to.
    PulledByRuntime {
        /// The image.
        image: String,
    },
    /// The runtime was still pulling the image when it was told to stop.
    StillPulling {
        /// The image.
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

    /// The image that this is about, if it is about one.
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

    /// The same as it is so much later, if nothing else has happened since.
    pub fn aged(&self, by: Duration) -> Self {
        let mut aged = self.clone();
        match &mut aged {
            Self::Reached { by: measure, .. }
            | Self::NotReached {
                by: Some(measure), ..
            } => measure.age(by),
            Self::Held(hold) => hold.age(by),
            _ => {}
        }
        aged
    }

    /// What has to happen before this is otherwise, if anything has.
    pub fn next(&self) -> Option<String> {
        const FAILURE: &str = "the next failed pull that the kubelet reports";
        Some(match self {
            Self::NoFailure => "the first failed pull, if there is one".to_owned(),
            Self::NotReached { by: Some(by), .. } => by.next(),
            Self::AwaitsNextFailure { .. } | Self::AlreadyAnnounced => format!("{FAILURE} decides"),
            Self::PulledByAnother { .. }
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
            Self::NamespaceSwitchedOff => {
                f.write_str("the configuration switches the namespace off")
            }
            Self::RestartPolicyNotCovered(policy) => write!(
                f,
                "restartPolicy {} is not in scope and the Pod does not ask",
                policy.as_str()
            ),
            Self::TooLarge => f.write_str(
                "too large: more containers, images or bytes of their names than are judged",
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
            Self::NoFailureYet { image } => write!(
                f,
                "{}: the API server knows of no failed pull of it",
                Shown(image)
            ),
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
            Self::Held(hold) => hold.fmt(f),
            Self::PulledByAnother { image } => write!(
                f,
                "{}: another Pod of this node has pulled it meanwhile (its credentials may differ): spared once",
                Shown(image)
            ),
            Self::OnNode { image } => {
                write!(f, "{}: is on the node by now: spared once", Shown(image))
            }
            Self::PulledByRuntime { image } => write!(
                f,
                "{}: the runtime pulled it when asked: spared once",
                Shown(image)
            ),
            Self::StillPulling { image } => write!(
                f,
                "{}: the runtime was still pulling it when asked: spared once",
                Shown(image)
            ),
        }
    }
}
