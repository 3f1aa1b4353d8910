use std::fmt;

use serde::{Deserialize, Serialize};

use super::message;

/// Why a pull failed, as far as the error tells. What people read; the class decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// The registry says that there is no such image, tag or digest.
    ImageNotFound,
    /// The reference cannot be parsed (`InvalidImageName`).
    InvalidImageName,
    /// `imagePullPolicy: Never`, and the image is not on the node.
    NeverPull,
    /// The image exists, but not for this node's platform.
    NoMatchingPlatform,
    /// The manifest is of a kind that the runtime does not take (schema 1, say).
    UnsupportedManifest,
    /// The registry refuses: 401, 403, or a repository that does not exist or needs a login.
    Denied,
    /// The credentials that were sent are refused.
    BadCredentials,
    /// The runtime or the kubelet refuses the image's signature, or a policy does.
    SignatureRefused,
    /// What came has not the digest that it should have.
    DigestMismatch,
    /// The manifest cannot be parsed.
    InvalidManifest,
    /// A layer cannot be unpacked.
    InvalidLayer,
    /// A blob, a configuration or a child manifest is missing: perhaps still being pushed.
    MissingContent,
    /// The registry's name cannot be resolved.
    HostNotFound,
    /// Nothing listens at the registry's address.
    ConnectionRefused,
    /// The connection broke in the middle, or more or fewer bytes came than announced.
    ConnectionBroken,
    /// There is no way to the registry's address: no route, a firewall, a proxy.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// No agreement on TLS: a certificate that is expired, unknown, of another host.
    TlsFailure,
    /// 429: the registry wants fewer requests.
    TooManyRequests,
    /// 5xx, a page in place of an answer, or trouble of the registry's token server or storage.
    RegistryUnavailable,
    /// The kubelet's own limiter (`registryPullQPS`): no pull was tried.
    PullQpsExceeded,
    /// The pull was cancelled: no progress, or the runtime or the kubelet was restarting.
    Cancelled,
    /// The node's disk is full.
    DiskFull,
    /// The runtime's store cannot be written to.
    ReadOnlyStore,
    /// Other trouble of the runtime or its store.
    RuntimeTrouble,
    /// The runtime does not answer the kubelet: no pull was tried.
    RuntimeUnreachable,
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

impl Cause {
    /// All causes.
    pub const ALL: [Self; 28] = [
        Self::ImageNotFound,
        Self::InvalidImageName,
        Self::NeverPull,
        Self::NoMatchingPlatform,
        Self::UnsupportedManifest,
        Self::Denied,
        Self::BadCredentials,
        Self::SignatureRefused,
        Self::DigestMismatch,
        Self::InvalidManifest,
        Self::InvalidLayer,
        Self::MissingContent,
        Self::HostNotFound,
        Self::ConnectionRefused,
        Self::ConnectionBroken,
        Self::Unreachable,
        Self::Timeout,
        Self::TlsFailure,
        Self::TooManyRequests,
        Self::RegistryUnavailable,
        Self::PullQpsExceeded,
        Self::Cancelled,
        Self::DiskFull,
        Self::ReadOnlyStore,
        Self::RuntimeTrouble,
        Self::RuntimeUnreachable,
        Self::ImageInspect,
        Self::Unrecognised,
    ];

    /// The cause of one waiting state, by its reason and its message.
    pub fn of(reason: &str, message: &str) -> Self {
        message::cause(reason, message)
    }

    /// The class that decides how patient to be.
    pub const fn class(self) -> Class {
        match self {
            Self::ImageNotFound
            | Self::InvalidImageName
            | Self::NeverPull
            | Self::NoMatchingPlatform
            | Self::UnsupportedManifest => Class::Permanent,
            Self::Denied | Self::BadCredentials | Self::SignatureRefused => Class::Denied,
            Self::DigestMismatch | Self::InvalidManifest | Self::InvalidLayer => Class::Corrupt,
            Self::MissingContent
            | Self::HostNotFound
            | Self::ConnectionRefused
            | Self::ConnectionBroken
            | Self::Unreachable
            | Self::Timeout
            | Self::TlsFailure
            | Self::TooManyRequests
            | Self::RegistryUnavailable
            | Self::PullQpsExceeded
            | Self::Cancelled => Class::Transient,
            Self::DiskFull
            | Self::ReadOnlyStore
            | Self::RuntimeTrouble
            | Self::RuntimeUnreachable
            | Self::ImageInspect => Class::Node,
            Self::Unrecognised => Class::Unknown,
        }
    }

    /// Whether a failure of this cause is a failed attempt at all: the kubelet's own limiter, a cancelled pull and a runtime that is away are not.
    pub const fn counts(self) -> bool {
        !matches!(
            self,
            Self::PullQpsExceeded | Self::Cancelled | Self::RuntimeUnreachable
        )
    }

    /// The name in conditions, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ImageNotFound => "ImageNotFound",
            Self::InvalidImageName => "InvalidImageName",
            Self::NeverPull => "NeverPull",
            Self::NoMatchingPlatform => "NoMatchingPlatform",
            Self::UnsupportedManifest => "UnsupportedManifest",
            Self::Denied => "Denied",
            Self::BadCredentials => "BadCredentials",
            Self::SignatureRefused => "SignatureRefused",
            Self::DigestMismatch => "DigestMismatch",
            Self::InvalidManifest => "InvalidManifest",
            Self::InvalidLayer => "InvalidLayer",
            Self::MissingContent => "MissingContent",
            Self::HostNotFound => "HostNotFound",
            Self::ConnectionRefused => "ConnectionRefused",
            Self::ConnectionBroken => "ConnectionBroken",
            Self::Unreachable => "Unreachable",
            Self::Timeout => "Timeout",
            Self::TlsFailure => "TlsFailure",
            Self::TooManyRequests => "TooManyRequests",
            Self::RegistryUnavailable => "RegistryUnavailable",
            Self::PullQpsExceeded => "PullQpsExceeded",
            Self::Cancelled => "Cancelled",
            Self::DiskFull => "DiskFull",
            Self::ReadOnlyStore => "ReadOnlyStore",
            Self::RuntimeTrouble => "RuntimeTrouble",
            Self::RuntimeUnreachable => "RuntimeUnreachable",
            Self::ImageInspect => "ImageInspect",
            Self::Unrecognised => "Unrecognised",
        }
    }

    /// What it means, in a sentence for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::ImageNotFound => "the registry says that there is no such image, tag or digest",
            Self::InvalidImageName => "the reference cannot be parsed (InvalidImageName)",
            Self::NeverPull => "imagePullPolicy: Never, and the image is not on the node",
            Self::NoMatchingPlatform => "the image exists, but not for this node's platform",
            Self::UnsupportedManifest => {
                "the manifest is of a kind that the runtime does not take (schema 1, say)"
            }
            Self::Denied => {
                "the registry refuses: 401, 403, or a repository that does not exist or needs a login"
            }
            Self::BadCredentials => "the credentials that were sent are refused",
            Self::SignatureRefused => {
                "the runtime or the kubelet refuses the image's signature, or a policy does"
            }
            Self::DigestMismatch => "what came has not the digest that it should have",
            Self::InvalidManifest => "the manifest cannot be parsed",
            Self::InvalidLayer => "a layer cannot be unpacked",
            Self::MissingContent => {
                "a blob, a configuration or a child manifest is missing: perhaps still being pushed"
            }
            Self::HostNotFound => "the registry's name cannot be resolved",
            Self::ConnectionRefused => "nothing listens at the registry's address",
            Self::ConnectionBroken => {
                "the connection broke in the middle, or more or fewer bytes came than announced"
            }
            Self::Unreachable => {
                "there is no way to the registry's address: no route, a firewall, a proxy"
            }
            Self::Timeout => "no answer in time",
            Self::TlsFailure => {
                "no agreement on TLS: a certificate that is expired, unknown, of another host"
            }
            Self::TooManyRequests => "429: the registry wants fewer requests",
            Self::RegistryUnavailable => {
                "5xx, a page in place of an answer, or trouble of the registry's token server or storage"
            }
            Self::PullQpsExceeded => {
                "the kubelet's own limiter (registryPullQPS): no pull was tried"
            }
            Self::Cancelled => {
                "the pull was cancelled: no progress, or the runtime or the kubelet was restarting"
            }
            Self::DiskFull => "the node's disk is full",
            Self::ReadOnlyStore => "the runtime's store cannot be written to",
            Self::RuntimeTrouble => "other trouble of the runtime or its store",
            Self::RuntimeUnreachable => {
                "the runtime does not answer the kubelet: no pull was tried"
            }
            Self::ImageInspect => "the runtime could not inspect the image (ImageInspectError)",
            Self::Unrecognised => "an error this version does not know",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
