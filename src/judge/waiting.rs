/// What a container's waiting reason says about pulling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
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
    pub(super) fn of(reason: &str) -> Self {
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
            // With kubelet's credential checks an error becomes the reason verbatim: words, not a CamelCase name.
            free if free.contains(char::is_whitespace) => Self::Attempt,
            _ => Self::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_apart() {
        assert_eq!(Waiting::of("ErrImagePull"), Waiting::Attempt);
        assert_eq!(
            Waiting::of("image pull failed: no credentials"),
            Waiting::Attempt
        );
        assert_eq!(Waiting::of("ImagePullBackOff"), Waiting::BackOff);
        assert_eq!(Waiting::of("CreateContainerError"), Waiting::Pulled);
        assert_eq!(Waiting::of("SomethingNew"), Waiting::Silent);
        assert_eq!(Waiting::of(""), Waiting::Silent);
    }
}
