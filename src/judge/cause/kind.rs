//! The table of causes, and the classes that decide how patient to be with them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares the causes. A row is a cause's name, its class, where the pull fails, and the cause's
/// meaning in a sentence.
macro_rules! causes {
    ($($name:ident $class:ident $place:ident $meaning:literal)+) => {
        /// Cause of a failed pull, as far as the error tells. Its class decides.
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

            /// Returns true if no node could pull the image, as far as the error tells.
            pub const fn fails_everywhere(self) -> bool {
                let place = match self {
                    $(Self::$name => Place::$place,)+
                };
                matches!(place, Place::Everywhere)
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
    ImageNotFound       Permanent Everywhere "the registry says that there is no such image, tag or digest"
    InvalidImageName    Permanent Everywhere "the image reference is invalid (InvalidImageName)"
    UnresolvedShortName Permanent Here       "the image has no registry in its name, and the node's runtime finds none for it"
    NeverPull           Permanent Here       "the image is not on the node, and imagePullPolicy is Never"
    NoMatchingPlatform  Permanent Here       "the image exists, but not for this node's platform"
    UnsupportedManifest Permanent Everywhere "the runtime does not support this kind of manifest (schema 1, for example)"
    Denied              Denied    Here       "the registry refuses (401, 403): no such repository, or it needs a login"
    BadCredentials      Denied    Here       "the registry refuses the credentials that were sent"
    SignatureRefused    Denied    Here       "a signature check or another policy refuses the image"
    DigestMismatch      Corrupt   Here       "the content does not have the announced digest"
    InvalidManifest     Corrupt   Everywhere "the manifest cannot be parsed"
    InvalidLayer        Corrupt   Here       "a layer cannot be unpacked"
    MissingContent      Transient Here       "a layer, configuration or child manifest is missing (still being pushed?)"
    BehindMirror        Transient Here       "not found, by a mirror's answer: the registry behind the mirror may be down"
    HostNotFound        Transient Here       "the registry's name cannot be resolved"
    ConnectionRefused   Transient Here       "nothing listens at the registry's address"
    ConnectionBroken    Transient Here       "the connection broke, or the number of bytes is not as announced"
    Unreachable         Transient Here       "the registry's address cannot be reached (route, firewall or proxy)"
    Timeout             Transient Here       "the registry did not answer in time"
    TlsFailure          Transient Here       "TLS failed: the certificate is expired, unknown or of another host"
    TooManyRequests     Transient Here       "the registry limits the rate of requests (429)"
    RegistryUnavailable Transient Here       "the registry, its token server or its storage fails (5xx, a page)"
    SearchFailed        Transient Here       "the last registry that CRI-O searches for a short name refuses; the others' errors are not shown"
    PullQpsExceeded     Transient Here       "the kubelet's own limit (registryPullQPS): no pull was tried"
    Cancelled           Transient Here       "the pull was cancelled: no progress, or the runtime or kubelet restarted"
    DiskFull            Node      Here       "the node's disk is full"
    ReadOnlyStore       Node      Here       "the runtime cannot write to its store"
    RuntimeTrouble      Node      Here       "the runtime or its store has another failure"
    RuntimeUnreachable  Node      Here       "the runtime does not answer the kubelet: no pull was tried"
    ImageInspect        Node      Here       "the runtime could not inspect the image (ImageInspectError)"
    Unrecognised        Unknown   Here       "this version does not know the error"
}

/// Place where a pull with this cause fails.
enum Place {
    /// On every node: the image itself or its reference is at fault.
    Everywhere,
    /// On this node. Another node may have other credentials, another platform or another network.
    Here,
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
