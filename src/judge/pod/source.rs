//! Sources of Pod reports, and how each is trusted. A new source is a row in each table here.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Source of Pod reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// API server, with the status that the kubelet has written to it.
    #[default]
    ApiServer,
    /// Socket of the kubelet, with its live status.
    Kubelet,
}

/// Properties of a source.
pub(in crate::judge) struct Trust {
    /// True if it reports the kubelet's own status, at once. The others report later what the
    /// kubelet has written to them. They order it by `resourceVersion`.
    pub(in crate::judge) live: bool,
    /// Time after its list in which it may repeat what it has listed, and the state before that.
    pub(in crate::judge) repeats: Option<Duration>,
}

impl Source {
    /// All sources.
    pub const ALL: [Self; 2] = [Self::Kubelet, Self::ApiServer];

    /// Returns the word used in the configuration, in logs and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiServer => "apiserver",
            Self::Kubelet => "kubelet",
        }
    }

    /// Returns the name of what reports, for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ApiServer => "the API server",
            Self::Kubelet => "the kubelet",
        }
    }

    pub(in crate::judge) const fn trust(self) -> Trust {
        match self {
            // The kubelet begins to watch before it makes its list. Two attempts of one image are
            // further apart than this.
            Self::Kubelet => Trust {
                live: true,
                repeats: Some(Duration::from_secs(10)),
            },
            Self::ApiServer => Trust {
                live: false,
                repeats: None,
            },
        }
    }

    /// Returns whether a report of this source says nothing new, by the version of the Pod that it
    /// shows and the newest that was seen. A live status is new, whatever version it hangs on.
    pub(in crate::judge) fn is_stale(self, version: &str, newest: &str) -> bool {
        !self.trust().live && is_older(version, newest)
    }
}

/// Returns whether `a` is an older `resourceVersion` than `b`. Both must be numbers to say so.
pub(in crate::judge) fn is_older(a: &str, b: &str) -> bool {
    match (a.parse::<u128>(), b.parse::<u128>()) {
        (Ok(a), Ok(b)) => a < b,
        _ => false,
    }
}
