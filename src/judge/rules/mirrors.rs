//! Registries that nodes reach through a pull-through mirror or a peer-to-peer cache.

use std::collections::BTreeSet;

use crate::judge::{Cause, Reference};

/// Registries behind a mirror. The answer "not found" may then be the mirror's own: containerd reports
/// it when the registry itself is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BehindMirror {
    /// All registries.
    All,
    /// Registries of these names, as image references have them.
    Only(BTreeSet<String>),
}

impl Default for BehindMirror {
    /// No registry.
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl BehindMirror {
    /// Returns the cause of an image's failed pull, by its cause without a mirror.
    pub fn cause(&self, image: &str, cause: Cause) -> Cause {
        match cause == Cause::ImageNotFound && self.has(image) {
            true => Cause::BehindMirror,
            false => cause,
        }
    }

    /// Returns true if no node could pull the image, as far as this cause tells. What a mirror answers
    /// tells nothing of other nodes.
    pub fn fails_everywhere(&self, image: &str, cause: Cause) -> bool {
        // The kubelet itself refuses an invalid name.
        let is_answer = cause != Cause::InvalidImageName;
        cause.fails_everywhere() && !(is_answer && self.has(image))
    }

    /// Returns true if the image comes from a registry behind a mirror.
    fn has(&self, image: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(registries) => registries.contains(Reference::of(image).registry),
        }
    }
}
