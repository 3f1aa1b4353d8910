use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a pull failed, as far as the error tells. What people read; the class decides.
///
/// A small table for now: what it does not know is [`Cause::Unrecognised`], which has the patience of a transient error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// The registry says that there is no such image, tag or digest.
    ImageNotFound,
    /// The reference cannot be parsed (`InvalidImageName`).
    InvalidImageName,
    /// `imagePullPolicy: Never`, and the image is not on the node.
    NeverPull,
    /// The registry refuses: 401, 403, or a repository that does not exist or needs a login.
    Denied,
    /// The runtime or the kubelet refuses the image's signature.
    SignatureRefused,
    /// The registry or its network fails in a way that may pass.
    RegistryUnavailable,
    /// The kubelet's own limiter (`registryPullQPS`): no pull was tried.
    PullQpsExceeded,
    /// The pull was cancelled: the runtime or the kubelet was restarting.
    Cancelled,
    /// The runtime could not inspect the image (`ImageInspectError`).
    ImageInspect,
    /// An error this version does not know.
    Unrecognised,
}

/// How patient to be with a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Trying again does not help by itself.
    Permanent,
    /// Credentials, rights or a policy.
    Denied,
    /// The content is not what it should be.
    Corrupt,
    /// Expected to pass.
    Transient,
    /// Not recognised: as patient as with transient errors.
    Unknown,
    /// The node's own trouble: never the Pod's fault.
    Node,
}

impl Class {
    /// All classes, the least patient first.
    pub const ALL: [Self; 6] = [
        Self::Permanent,
        Self::Denied,
        Self::Corrupt,
        Self::Transient,
        Self::Unknown,
        Self::Node,
    ];

    /// The class's place in the order of patience; equal for classes that are equally patient.
    pub const fn patience(self) -> u8 {
        match self {
            Self::Permanent => 0,
            Self::Denied | Self::Corrupt => 1,
            Self::Transient | Self::Unknown => 2,
            Self::Node => 3,
        }
    }

    /// The name used in configuration, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Denied => "denied",
            Self::Corrupt => "corrupt",
            Self::Transient => "transient",
            Self::Unknown => "unknown",
            Self::Node => "node",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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

/// The longest part of a message that is looked at; what matters stands at its ends, and messages may be hostile.
const LOOKED_AT: usize = 16 * 1024;

impl Cause {
    /// The cause of one waiting state.
    pub fn of(reason: &str, message: &str) -> Self {
        match reason {
            "InvalidImageName" => return Self::InvalidImageName,
            "ErrImageNeverPull" => return Self::NeverPull,
            "ImageInspectError" => return Self::ImageInspect,
            "RegistryUnavailable" => return Self::RegistryUnavailable,
            "SignatureValidationFailed" => return Self::SignatureRefused,
            _ => {}
        }
        Self::of_text(message)
    }

    fn of_text(message: &str) -> Self {
        let text = Text::new(message);
        if text.is("pull QPS exceeded") {
            return Self::PullQpsExceeded;
        }
        if text.ends("context canceled") {
            return Self::Cancelled;
        }
        // Trouble of the token server or on the way there is worded as a refusal: what is transient is looked for first.
        let status = text.status();
        if status.is_some_and(|code| code == 408 || code == 429 || code >= 500) || text.is_network()
        {
            return Self::RegistryUnavailable;
        }
        if text.has("insufficient_scope: authorization failed")
            || text.has("pull access denied, repository does not exist")
            || matches!(status, Some(401 | 403))
        {
            return Self::Denied;
        }
        // Only the wording of a missing manifest: `NotFound` alone is also said of missing blobs and platforms.
        if text.is_missing_manifest() {
            return Self::ImageNotFound;
        }
        Self::Unrecognised
    }

    /// The class that decides how patient to be.
    pub const fn class(self) -> Class {
        match self {
            Self::ImageNotFound | Self::InvalidImageName | Self::NeverPull => Class::Permanent,
            Self::Denied | Self::SignatureRefused => Class::Denied,
            Self::RegistryUnavailable | Self::PullQpsExceeded | Self::Cancelled => Class::Transient,
            Self::ImageInspect => Class::Node,
            Self::Unrecognised => Class::Unknown,
        }
    }

    /// Whether a failure of this cause is a failed attempt at all. The kubelet's own limiter and a cancelled pull are not.
    pub const fn counts(self) -> bool {
        !matches!(self, Self::PullQpsExceeded | Self::Cancelled)
    }

    /// The name in conditions, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ImageNotFound => "ImageNotFound",
            Self::InvalidImageName => "InvalidImageName",
            Self::NeverPull => "NeverPull",
            Self::Denied => "Denied",
            Self::SignatureRefused => "SignatureRefused",
            Self::RegistryUnavailable => "RegistryUnavailable",
            Self::PullQpsExceeded => "PullQpsExceeded",
            Self::Cancelled => "Cancelled",
            Self::ImageInspect => "ImageInspect",
            Self::Unrecognised => "Unrecognised",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A runtime's error text, without what the kubelet puts around it and without quoted parts.
///
/// References and URLs are quoted by containerd and chosen by others: an image named `timeout/not-found:429` must not
/// mislead, so nothing inside quotes is looked at.
struct Text(String);

impl Text {
    fn new(message: &str) -> Self {
        let end = message.floor_char_boundary(LOOKED_AT);
        let mut bare = String::with_capacity(end);
        let mut quoted = false;
        for character in message[..end].chars() {
            if character == '"' {
                quoted = !quoted;
            }
            if !quoted {
                bare.push(character);
            }
        }
        Self(bare)
    }

    fn is(&self, text: &str) -> bool {
        self.0 == text || self.0.ends_with(&format!(": {text}"))
    }

    fn has(&self, text: &str) -> bool {
        self.0.contains(text)
    }

    fn ends(&self, text: &str) -> bool {
        self.0.trim_end_matches(": unknown").ends_with(text)
    }

    /// The HTTP status that a registry or its token server answered, read only after a fixed phrase of containerd's.
    fn status(&self) -> Option<u16> {
        // `unexpected status from HEAD request to <url>: 503 Service Unavailable`, `failed with status code [manifests
        // T]: 503 …`, `unexpected status code <url>: 429 …`.
        let phrases = [
            "unexpected status from ",
            "unexpected status code ",
            "failed with status code ",
        ];
        let start = phrases
            .iter()
            .filter_map(|phrase| self.0.find(phrase).map(|at| at + phrase.len()))
            .min()?;
        // Only up to the end of that line: what follows is the registry's own text.
        let line = self.0[start..].lines().next()?;
        line.match_indices(": ").find_map(|(at, _)| {
            let digits = line.get(at + 2..at + 5)?;
            let ended = line[at + 5..].chars().next().is_none_or(|c| c == ' ');
            let code = digits.parse().ok()?;
            (ended && (400..600).contains(&code)).then_some(code)
        })
    }

    fn is_network(&self) -> bool {
        const PHRASES: [&str; 12] = [
            "dial tcp",
            "dial udp",
            "no such host",
            "connection refused",
            "connection reset by peer",
            "i/o timeout",
            "context deadline exceeded",
            "TLS handshake timeout",
            "tls: ",
            "x509: ",
            "server gave HTTP response to HTTPS client",
            "unexpected EOF",
        ];
        PHRASES.iter().any(|phrase| self.has(phrase)) || self.ends(": EOF")
    }

    fn is_missing_manifest(&self) -> bool {
        let resolving =
            self.has("failed to resolve reference ") || self.has("failed to resolve image: ");
        let elsewhere = self.has("no match for platform")
            || self.has("could not fetch content descriptor")
            || self.has("content at ");
        resolving && !elsewhere && self.ends(": not found")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reason: &str, message: &str, expected: Cause) {
        assert_eq!(Cause::of(reason, message), expected, "{reason}: {message}");
    }

    #[test]
    fn causes_of_real_messages() {
        use Cause::*;
        let pull = "ErrImagePull";
        check(
            pull,
            r#"rpc error: code = NotFound desc = failed to pull and unpack image "127.0.0.1:5000/a:1": failed to resolve image: 127.0.0.1:5000/a:1: not found"#,
            ImageNotFound,
        );
        check(
            pull,
            r#"rpc error: code = NotFound desc = failed to pull and unpack image "r/a:1": failed to resolve reference "r/a:1": r/a:1: not found"#,
            ImageNotFound,
        );
        check(
            "ImagePullBackOff",
            r#"Back-off pulling image "r/a:1": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "r/a:1": failed to resolve image: r/a:1: not found"#,
            ImageNotFound,
        );
        check(
            "ImagePullBackOff",
            r#"Back-off pulling image "r/a:1""#,
            Unrecognised,
        );
        check(
            pull,
            r#"failed to pull and unpack image "r/a:1": failed to resolve image: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"#,
            Denied,
        );
        check(
            pull,
            r#"failed to pull and unpack image "r/a:1": failed to resolve image: unexpected status from HEAD request to http://r/v2/a/manifests/1: 403 Forbidden"#,
            Denied,
        );
        check(
            pull,
            r#"failed to pull and unpack image "r/a:1": failed to resolve reference "r/a:1": unexpected status from HEAD request to http://r/v2/a/manifests/1: 503 Service Unavailable"#,
            RegistryUnavailable,
        );
        check(
            pull,
            r#"failed to authorize: failed to fetch anonymous token: unexpected status from GET request to http://r/token: 500 Internal Server Error"#,
            RegistryUnavailable,
        );
        check(
            pull,
            r#"failed to pull and unpack image "r/a:1": failed to resolve reference "r/a:1": failed to do request: Head "https://r/v2/a/manifests/1": dial tcp: lookup r: no such host"#,
            RegistryUnavailable,
        );
        check(pull, "pull QPS exceeded", PullQpsExceeded);
        check(
            "ImagePullBackOff",
            r#"Back-off pulling image "r/a:1": ErrImagePull: pull QPS exceeded"#,
            PullQpsExceeded,
        );
        check(
            pull,
            r#"failed to pull and unpack image "r/a:1": context canceled"#,
            Cancelled,
        );
        check("InvalidImageName", "", InvalidImageName);
        check("ErrImageNeverPull", "", NeverPull);
        check("ImageInspectError", "", ImageInspect);
    }

    #[test]
    fn not_found_of_something_else_is_not_a_missing_image() {
        use Cause::*;
        let pull = "ErrImagePull";
        check(
            pull,
            r#"rpc error: code = NotFound desc = failed to pull and unpack image "r/a:1": no match for platform in manifest: not found"#,
            Unrecognised,
        );
        check(
            pull,
            r#"rpc error: code = NotFound desc = failed to pull and unpack image "r/a:1": failed to copy: httpReadSeeker: failed open: content at http://r/v2/a/blobs/sha256:0 not found: not found"#,
            Unrecognised,
        );
        check(
            pull,
            r#"rpc error: code = NotFound desc = failed to resolve image: could not fetch content descriptor sha256:0 from remote: not found"#,
            Unrecognised,
        );
    }

    #[test]
    fn names_chosen_by_others_do_not_mislead() {
        use Cause::*;
        let pull = "ErrImagePull";
        check(
            pull,
            r#"failed to pull and unpack image "timeout/not-found: 429": failed to resolve image: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"#,
            Denied,
        );
        check(
            pull,
            r#"failed to do something with "failed to resolve image: a: not found""#,
            Unrecognised,
        );
        // The registry's own text, on its second line.
        check(
            pull,
            "failed to resolve image: unexpected status from HEAD request to http://r/v2/a/manifests/1: 403 Forbidden\nx: 503 y",
            Denied,
        );
    }

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
