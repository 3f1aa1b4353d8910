//! Known bad: images for which a Pod of an owner was failed.
//!
//! A Job makes a new Pod for each one that is failed, and the same pull fails again. The failures of
//! the new Pod go on where those of the failed one have ended.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::judge::{Cause, ImageRecord, Moment, Phase, PodView, Reference};

/// Images for which a Pod of an owner was failed within the last hour, the oldest first. The state file
/// and the journal have it, so that a replay can begin in the middle of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::judge) struct KnownBad(Vec<Known>);

/// One image that is known to be bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::judge) struct Known {
    /// UID of the owner.
    owner: String,
    /// Top of the chain of owners, if the Pod named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    top: Option<String>,
    /// Image reference as in the Pod spec.
    image: String,
    /// Cause of the last failure.
    cause: Cause,
    /// `imagePullFailureCount` for the Pod that was failed.
    count: Option<NonZeroU32>,
    /// Name of that Pod, for people.
    pub pod: String,
    /// Moment at which that Pod was failed.
    pub at: Moment,
}

/// Time after which it is forgotten that a Pod was failed.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Number of images that are remembered; the oldest go first.
const IMAGES: usize = 256;

impl Known {
    /// Returns true if the Pod has the same owner, or the same top of the chain above it.
    fn is_of(&self, view: &PodView) -> bool {
        let owner = view.owner.as_ref();
        owner.is_some_and(|owner| owner.uid == self.owner)
            || (view.top.is_some() && view.top == self.top)
    }
}

impl KnownBad {
    /// Notes that a Pod was failed for an image. A Pod without an owner has no successor.
    pub fn learn(
        &mut self,
        view: &PodView,
        image: &str,
        (cause, count): (Cause, Option<NonZeroU32>),
        now: Moment,
    ) {
        let Some(owner) = &view.owner else { return };
        self.0.retain(|known| {
            now.since(known.at) < REMEMBERED && (&known.owner, &*known.image) != (&owner.uid, image)
        });
        if self.0.len() >= IMAGES {
            self.0.remove(0);
        }
        self.0.push(Known {
            owner: owner.uid.clone(),
            top: view.top.clone(),
            image: image.to_owned(),
            cause,
            count,
            pod: view.name.clone(),
            at: now,
        });
    }

    /// Returns what is known of the image for other Pods of the same owner, or below the
    /// same top of the chain, if the Pod has the same
    /// `imagePullFailureCount`. Another cause has made it unknown, see `observe`.
    pub fn find(
        &self,
        view: &PodView,
        image: &str,
        count: Option<NonZeroU32>,
        now: Moment,
    ) -> Option<&Known> {
        self.0.iter().find(|known| {
            now.since(known.at) < REMEMBERED
                && known.is_of(view)
                && known.image == image
                && known.count == count
        })
    }

    /// Forgets what a view of a Pod contradicts.
    pub fn observe(&mut self, view: &PodView, images: &BTreeMap<String, ImageRecord>) {
        if self.0.is_empty() {
            return;
        }
        self.has_pulled(view);
        for (image, record) in images {
            if let Some(last) = &record.last {
                self.fails(view, image, last.cause);
            }
        }
    }

    /// Forgets the images that a Pod has pulled. Of a failed Pod that is not known: the kubelet shows
    /// containers that it never started as terminated.
    pub fn has_pulled(&mut self, view: &PodView) {
        if self.0.is_empty() || view.phase == Phase::Other {
            return;
        }
        let pulled = view
            .containers
            .iter()
            .filter(|container| container.is_past_pull());
        pulled.for_each(|container| self.pulled(&container.image));
    }

    /// Forgets an image for the Pods of all owners, because it was pulled.
    pub fn pulled(&mut self, image: &str) {
        if !self.0.is_empty() {
            let pulled = Reference::of(image);
            self.0.retain(|known| Reference::of(&known.image) != pulled);
        }
    }

    /// Forgets the image for the Pod's owner if it fails for another cause now.
    fn fails(&mut self, view: &PodView, image: &str, cause: Cause) {
        self.0
            .retain(|known| known.cause == cause || known.image != image || !known.is_of(view));
    }

    /// Forgets everything: the node was started anew, or the rules have changed.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns true if no image is known to be bad.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
