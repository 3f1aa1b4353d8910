//! Which source of evidence is believed, and which of its words may be repetitions.
//!
//! A new source needs a row in the table here, and a test in `tests/flow/sources.rs`.

mod repeats;

use std::time::Duration;

use super::Source;
pub(super) use repeats::{Repeats, Said};

/// Properties of a source.
struct Trust {
    /// It reports the kubelet's own status, at once. The others report what the kubelet has written
    /// to them, later; they order it by `resourceVersion`.
    live: bool,
    /// Time after its list in which it may repeat what it has listed, and the state before that.
    repeats: Option<Duration>,
}

impl Source {
    /// All sources.
    pub const ALL: [Self; 2] = [Self::Kubelet, Self::ApiServer];

    const fn trust(self) -> Trust {
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
    pub(super) fn is_stale(self, version: &str, newest: &str) -> bool {
        !self.trust().live && is_older(version, newest)
    }
}

/// Returns whether `a` is an older `resourceVersion` than `b`. Both must be numbers to say so.
pub(super) fn is_older(a: &str, b: &str) -> bool {
    match (a.parse::<u128>(), b.parse::<u128>()) {
        (Ok(a), Ok(b)) => a < b,
        _ => false,
    }
}
