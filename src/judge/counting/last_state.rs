//! The state that a container was last seen in, and the image that it is about.

use serde::{Deserialize, Serialize};

use super::repeats::{Repeats, Said};
use crate::judge::cause::names_image;
use crate::judge::pod::waiting::Waiting;
use crate::judge::{ContainerState, ContainerView, Moment};
use crate::text::digest::digest;
use crate::text::printable;

/// The state a container was last seen in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::judge) struct LastState {
    image: String,
    state: String,
    /// Digest of the message.
    message: u64,
    /// States that may be reported again.
    #[serde(flatten)]
    repeats: Repeats,
    /// Image that the state is about; `None` for the container's own, of which an error or a pull
    /// was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<About>,
}

/// Image that the state of a container is about. The kubelet keeps its last error by the
/// container's name. After an edit it shows the old image's error with the new image, until the
/// first pull of the new one has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum About {
    /// No error was seen yet. Whether the image was edited before is not known.
    Unknown,
    /// The image was edited, and no error was seen since.
    Edited,
    /// The state is an error of the image before.
    Before,
}

impl About {
    /// Returns which image the container's state is about, after a state that was about `self`.
    /// `is_same`: the reason and the message are those of before.
    fn then(self, container: &ContainerView, is_same: bool) -> Option<Self> {
        let ContainerState::Waiting { reason, message } = &container.state else {
            return None;
        };
        match (Waiting::of(reason), self) {
            (Waiting::Pulled, _) => return None,
            (Waiting::Silent, Self::Unknown) => return Some(Self::Unknown),
            (Waiting::Silent, Self::Edited | Self::Before) => return Some(Self::Edited),
            (Waiting::Attempt | Waiting::BackOff | Waiting::Standing, _) => {}
        }
        let named = names_image(message, &container.image);
        let is_own = match self {
            Self::Unknown => named != Some(false),
            Self::Edited => named == Some(true),
            Self::Before => !is_same,
        };
        (!is_own).then_some(Self::Before)
    }
}

impl LastState {
    pub(in crate::judge) fn of(container: &ContainerView) -> Self {
        let (state, message) = match &container.state {
            ContainerState::Waiting { reason, message } => (printable(reason), digest(message)),
            ContainerState::Running => ("Running".to_owned(), 0),
            ContainerState::Terminated => ("Terminated".to_owned(), 0),
        };
        Self {
            image: container.image.clone(),
            state,
            message,
            repeats: Repeats::default(),
            about: None,
        }
    }

    /// The first state of a container that is seen, and whether the container has entered it by itself.
    pub(in crate::judge) fn first(
        container: &ContainerView,
        said: Said,
        now: Moment,
    ) -> (Self, bool) {
        let mut first = Self::of(container);
        first.repeats = Repeats::first(first.digest(), said, now);
        first.about = About::Unknown.then(container, false);
        let is_new = !first.is_inherited();
        (first, is_new)
    }

    /// The state after this one, and whether the container has entered it since.
    pub(in crate::judge) fn next(
        &self,
        container: &ContainerView,
        said: Said,
        now: Moment,
    ) -> (Self, bool) {
        let mut next = Self::of(container);
        let digests = (self.digest(), next.digest());
        let (repeats, is_new) = self.repeats.next(digests, said, now);
        next.repeats = repeats;
        let is_same = (&self.state, self.message) == (&next.state, next.message);
        next.about = match self.image == next.image {
            true => self.about.and_then(|about| about.then(container, is_same)),
            false if is_same => About::Before.then(container, true),
            false => About::Edited.then(container, false),
        };
        let is_new = is_new && !next.is_inherited();
        (next, is_new)
    }

    /// Returns whether the state is an error of the image that the container had before.
    pub(in crate::judge) fn is_inherited(&self) -> bool {
        self.about == Some(About::Before)
    }

    /// Moments of the boot before mean nothing any more.
    pub(in crate::judge) fn rebooted(&mut self) {
        self.repeats.rebooted();
    }

    fn digest(&self) -> u64 {
        digest(&format!("{}\n{}\n{}", self.image, self.state, self.message))
    }
}
