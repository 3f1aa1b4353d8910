//! The table of causes, and the classes that decide how patient to be with them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares the causes. A row is a cause's name, its class, and its meaning in a sentence.
macro_rules! causes {
    ($($name:ident $class:ident $meaning:literal)+) => {
        /// Cause of a failed pull, as far as the error tells. People read the cause; its class decides.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum Cause {
            $(#[doc = $meaning] $name,)+
        }

        impl Cause {
            /// All causes.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// Returns the class that decides how patient to be.
            pub const fn class(self) -> Class {
                match self {
                    $(Self::$name => Class::$class,)+
                }
            }

            /// Returns the name used in conditions, logs and metrics.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// Returns the meaning in a sentence for people.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)+
                }
            }
        }
    };
}

causes! {
    ImageNotFound       Permanent "the registry says that there is no such image, tag or digest"
    InvalidImageName    Permanent "the reference cannot be parsed (InvalidImageName)"
    NeverPull           Permanent "imagePullPolicy: Never, and the image is not on the node"
    NoMatchingPlatform  Permanent "the image exists, but not for this node's platform"
    UnsupportedManifest Permanent "the manifest is of a kind that the runtime does not take (schema 1, say)"
    Denied              Denied    "the registry refuses: 401, 403, or a repository that does not exist or needs a login"
    BadCredentials      Denied    "the credentials that were sent are refused"
    SignatureRefused    Denied    "the runtime or the kubelet refuses the image's signature, or a policy does"
    DigestMismatch      Corrupt   "what came has not the digest that it should have"
    InvalidManifest     Corrupt   "the manifest cannot be parsed"
    InvalidLayer        Corrupt   "a layer cannot be unpacked"
    MissingContent      Transient "a blob, a configuration or a child manifest is missing: perhaps still being pushed"
    HostNotFound        Transient "the registry's name cannot be resolved"
    ConnectionRefused   Transient "nothing listens at the registry's address"
    ConnectionBroken    Transient "the connection broke in the middle, or more or fewer bytes came than announced"
    Unreachable         Transient "there is no way to the registry's address: no route, a firewall, a proxy"
    Timeout             Transient "no answer in time"
    TlsFailure          Transient "no agreement on TLS: a certificate that is expired, unknown, of another host"
    TooManyRequests     Transient "429: the registry wants fewer requests"
    RegistryUnavailable Transient "5xx, a page in place of an answer, or trouble of the registry's token server or storage"
    PullQpsExceeded     Transient "the kubelet's own limiter (registryPullQPS): no pull was tried"
    Cancelled           Transient "the pull was cancelled: no progress, or the runtime or the kubelet was restarting"
    DiskFull            Node      "the node's disk is full"
    ReadOnlyStore       Node      "the runtime's store cannot be written to"
    RuntimeTrouble      Node      "other trouble of the runtime or its store"
    RuntimeUnreachable  Node      "the runtime does not answer the kubelet: no pull was tried"
    ImageInspect        Node      "the runtime could not inspect the image (ImageInspectError)"
    Unrecognised        Unknown   "an error this version does not know"
}

impl Cause {
    /// Returns false if no pull has failed: the kubelet's own limiter, a cancelled pull, and a
    /// runtime that does not answer.
    pub const fn counts(self) -> bool {
        !matches!(
            self,
            Self::PullQpsExceeded | Self::Cancelled | Self::RuntimeUnreachable
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Class of causes that need the same patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A retry does not help by itself.
    Permanent,
    /// Credentials, rights or a policy are in the way.
    Denied,
    /// The content is not as announced.
    Corrupt,
    /// The trouble is expected to pass.
    Transient,
    /// The error is not recognised. It gets the patience of transient errors.
    Unknown,
    /// The node has trouble: never the Pod's fault.
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

    /// Returns the place in the order of patience. Classes that are equally patient share a place.
    pub const fn patience(self) -> u8 {
        match self {
            Self::Permanent => 0,
            Self::Denied | Self::Corrupt => 1,
            Self::Transient | Self::Unknown => 2,
            Self::Node => 3,
        }
    }

    /// Returns the name used in configuration, logs and metrics.
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
