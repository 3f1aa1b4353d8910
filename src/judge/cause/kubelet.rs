//! The kubelet's words: waiting reasons, the frames around a runtime's error, and its own errors.

use super::kind::Cause::{self, *};
use super::sign::Sign::*;
use super::sign::rows;

/// Way to read a waiting state by its reason.
pub(super) enum Reading {
    /// The reason is the cause.
    Is(Cause),
    /// The reason is the cause, unless the message has a cause that needs more patience.
    UnlessMilder(Cause),
    /// The first is the cause, unless the message has the second.
    Unless(Cause, Cause),
    /// The cause depends on whether the image is on the node.
    ByPresence { absent: Cause, present: Cause },
}

/// Waiting reasons that say more than that a pull has failed.
pub(super) const REASONS: &[(&str, Reading)] = &[
    ("InvalidImageName", Reading::Is(InvalidImageName)),
    (
        "ImageInspectError",
        Reading::Unless(ImageInspect, UnresolvedShortName),
    ),
    ("RegistryUnavailable", Reading::Is(RegistryUnavailable)),
    // A judgement, unless the message says why there is none.
    (
        "SignatureValidationFailed",
        Reading::UnlessMilder(SignatureRefused),
    ),
    // From 1.33 on also if the image is there and the Pod has no proven right to use it.
    (
        "ErrImageNeverPull",
        Reading::ByPresence {
            absent: NeverPull,
            present: Denied,
        },
    ),
];

/// Frame of the pause between two attempts. From 1.32 on the last reason and error follow the image.
pub(super) const BACK_OFF: &str = "Back-off pulling image ";
/// Frame of the Event that `kubectl describe` shows.
pub(super) const FAILED: &str = "Failed to pull image ";
/// Frame of `ImageInspectError`.
pub(super) const INSPECT: &str = "Failed to inspect image ";
/// Frame of `ErrImageNeverPull`.
pub(super) const NEVER: &str = "Container image ";
/// Text after the image, if it is on the node.
pub(super) const PRESENT: &str = " is present ";

/// Texts before and behind an image's name where CRI-O says that its registry is not available.
pub(super) const UNAVAILABLE: (&str, &str) = ("image pull failed for ", " because ");

/// Beginnings of messages that go on with the image's name in quotes.
pub(super) const BEFORE_IMAGE: &[&str] = &[
    BACK_OFF,
    FAILED,
    INSPECT,
    "Failed to apply default image tag ",
    NEVER,
];

/// Beginnings of errors in a list of several credentials' errors.
pub(super) const BEGINNINGS: &[&str] = &[
    "rpc error: code = ",
    "pull QPS exceeded",
    "RegistryUnavailable: ",
    "SignatureValidationFailed: ",
];

/// Errors that are the kubelet's own, from the first to the last character.
pub(super) const WHOLE: &[(&str, Cause)] = &[("pull QPS exceeded", PullQpsExceeded)];

/// Beginnings of errors in a pull secret that cannot be read, which the kubelet shows without a frame.
pub(super) const OF_SECRET: [&str; 2] = ["json", "invalid character "];

rows! {
    // The runtime itself, or what stands between it and the kubelet.
    "dial unix " => Of(RuntimeUnreachable);
    "unknown service " => Of(RuntimeUnreachable);
    // The reasons again, where they stand in an error.
    "RegistryUnavailable" => Of(RegistryUnavailable);
    "SignatureValidationFailed" => Of(SignatureRefused);
}
