//! Meaning of waiting reasons for pulling.

/// Meaning of a container's waiting reason for pulling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::judge) enum Waiting {
    /// An attempt has failed: entering this is one failure.
    Attempt,
    /// The pause between two attempts.
    BackOff,
    /// No attempt is made while this stands.
    Standing,
    /// The container is past its pull.
    Pulled,
    /// Says nothing: a first pull is under way, or the kubelet has just started.
    Silent,
}

impl Waiting {
    pub(in crate::judge) fn of(reason: &str) -> Self {
        match reason {
            "" | "ContainerCreating" | "PodInitializing" => Self::Silent,
            "ImagePullBackOff" => Self::BackOff,
            "InvalidImageName" | "ErrImageNeverPull" | "ImageInspectError" => Self::Standing,
            "ErrImagePull" | "RegistryUnavailable" | "SignatureValidationFailed" => Self::Attempt,
            "CrashLoopBackOff"
            | "CreateContainerConfigError"
            | "CreateContainerError"
            | "PreCreateHookError"
            | "PreStartHookError"
            | "PostStartHookError"
            | "RunContainerError" => Self::Pulled,
            free if is_free_text(free) => Self::Standing,
            _ => Self::Silent,
        }
    }
}

/// Returns whether a reason is an error's text, not a CamelCase name. The kubelet shows the error that way
/// if it gives up before the pull, over an unreadable pull secret for example. It tries again at
/// each sync, without back-off, and the text stays the same.
pub(in crate::judge) fn is_free_text(reason: &str) -> bool {
    reason.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_apart() {
        assert_eq!(Waiting::of("ErrImagePull"), Waiting::Attempt);
        assert_eq!(
            Waiting::of("illegal base64 data at input byte 4"),
            Waiting::Standing
        );
        assert_eq!(Waiting::of("ImagePullBackOff"), Waiting::BackOff);
        assert_eq!(Waiting::of("CreateContainerError"), Waiting::Pulled);
        assert_eq!(Waiting::of("SomethingNew"), Waiting::Silent);
        assert_eq!(Waiting::of(""), Waiting::Silent);
    }
}
