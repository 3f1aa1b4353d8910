use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cause::names_image;
use super::waiting::Waiting;
use super::{ContainerState, ContainerView, Moment, Source};
use crate::text::digest::digest;
use crate::text::printable;

/// The API server is behind the kubelet by a write that is under way: usually by 5 to 60 ms, never for this long.
const UNDER_WAY: Duration = Duration::from_secs(30);

/// The kubelet repeats after its list, at once, what has happened while it made the list. Two
/// attempts of one image are further apart than this.
const AFTER_LIST: Duration = Duration::from_secs(10);

/// The state a container was last seen in.
///
/// The API server's status is behind the kubelet's, and a restarted kubelet begins with what it finds there. So where the kubelet had
/// or has the word, the first that a source says of a Pod may be older than what was seen, by any number of states: it counts nothing
/// for an image that something is known of. What follows is new if the kubelet says it. From the API server it may still be one of
/// the last two states that the kubelet showed: entering these, once and in their order, counts nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastState {
    image: String,
    state: String,
    message: u64,
    /// The digest of the state before it, if that was seen.
    #[serde(default)]
    before: Option<u64>,
    /// What the API server may say again, though the kubelet has shown it.
    #[serde(default)]
    behind: Option<Behind>,
    /// What the kubelet may show again, though its list has shown it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listed: Option<Behind>,
    /// Which image the state is about; `None` for the container's own, of which an error or a pull
    /// was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<About>,
}

/// Which image the state of a container is about. The kubelet keeps its last error by the
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

/// A source that is behind what the kubelet has shown: the API server after the kubelet, or the kubelet itself after its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Behind {
    since: Moment,
    /// The digests of the last two states that the kubelet showed, in order, without those that were said again. One that was not seen,
    /// because the kubelet's first word came after it, may be any.
    seen: Vec<Option<u64>>,
}

/// Who tells of a container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) source: Source,
    /// Whether it is the source's first word on the Pod.
    pub(super) first: bool,
    /// Whether the kubelet has the word, or had it before.
    pub(super) kubelet: bool,
    /// Whether something may have been counted for the container's image.
    pub(super) counted: bool,
}

impl LastState {
    pub(super) fn of(container: &ContainerView) -> Self {
        let (state, message) = match &container.state {
            ContainerState::Waiting { reason, message } => (printable(reason), digest(message)),
            ContainerState::Running => ("Running".to_owned(), 0),
            ContainerState::Terminated => ("Terminated".to_owned(), 0),
        };
        Self {
            image: container.image.clone(),
            state,
            message,
            before: None,
            behind: None,
            listed: None,
            about: None,
        }
    }

    /// The first state of a container that is seen, and whether the container has entered it by itself.
    pub(super) fn first(container: &ContainerView, told: Told, now: Moment) -> (Self, bool) {
        let mut first = Self::of(container);
        if told.is_listed() {
            first.listed = Some(Behind::list(&first, now));
        }
        first.about = About::Unknown.then(container, false);
        let is_new = !first.is_inherited();
        (first, is_new)
    }

    /// The state after this one, and whether the container has entered it since.
    pub(super) fn next(&self, container: &ContainerView, told: Told, now: Moment) -> (Self, bool) {
        let (mut next, is_new) = self.followed_by(container, told, now);
        let is_same = (&self.state, self.message) == (&next.state, next.message);
        next.about = match self.image == next.image {
            true => self.about.and_then(|about| about.then(container, is_same)),
            false if is_same => About::Before.then(container, true),
            false => About::Edited.then(container, false),
        };
        if told.is_listed() {
            next.listed = Some(Behind::list(&next, now));
        }
        let is_new = is_new && !next.is_inherited();
        (next, is_new)
    }

    /// Whether the state is an error of the image that the container had before.
    pub(super) fn is_inherited(&self) -> bool {
        self.about == Some(About::Before)
    }

    fn followed_by(&self, container: &ContainerView, told: Told, now: Moment) -> (Self, bool) {
        let mut next = Self::of(container);
        let is_same = self.is_same(&next);
        let behind = self.behind.as_ref();
        let listed = self.listed.as_ref();
        let listed = listed.filter(|_| told.source == Source::Kubelet && !told.first);
        next.before = match (is_same, told.is_listed()) {
            (true, _) => self.before,
            (false, false) => Some(self.digest()),
            // Whatever came before it was not seen.
            (false, true) => None,
        };
        // Getting past a pull drops a count, and what was never counted cannot be counted twice.
        let is_safe = container.is_past_pull() || !told.counted;
        let may_be_old = told.first && !is_safe && (told.kubelet || behind.is_some());
        match (told.source, may_be_old) {
            (Source::Kubelet, true) => {
                if let Some([seen @ .., newest]) = behind.map(|behind| &behind.seen[..]) {
                    let is_newest = *newest == Some(next.digest());
                    next.before = if is_newest {
                        seen.last().copied().flatten()
                    } else {
                        *newest
                    };
                }
                (next, false)
            }
            (Source::ApiServer, true) => {
                next.behind = Some(behind.cloned().unwrap_or_else(|| Behind {
                    since: now,
                    seen: vec![self.before, Some(self.digest())],
                }));
                (next, false)
            }
            (_, false) if is_same => {
                next.behind = behind.cloned();
                next.listed = listed.cloned();
                (next, false)
            }
            (_, false) => {
                let behind = behind.filter(|_| !is_safe);
                let again = behind.and_then(|behind| behind.after(next.digest(), now));
                let listed = listed.filter(|_| !is_safe);
                let repeated = listed.and_then(|listed| listed.repeats(next.digest(), now));
                let is_new = again.is_none() && repeated.is_none();
                next.behind = again.filter(|behind| !behind.seen.is_empty());
                next.listed = repeated.filter(|listed| !listed.seen.is_empty());
                (next, is_new)
            }
        }
    }

    /// Moments of the boot before mean nothing any more.
    pub(super) fn rebooted(&mut self) {
        self.behind = None;
        self.listed = None;
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.image, &self.state, self.message) == (&other.image, &other.state, other.message)
    }

    fn digest(&self) -> u64 {
        digest(&format!("{}\n{}\n{}", self.image, self.state, self.message))
    }
}

impl Told {
    /// Whether it is of the kubelet's list. The kubelet begins to watch before it makes the list, so older events may follow it.
    fn is_listed(self) -> bool {
        self.source == Source::Kubelet && self.first
    }
}

impl Behind {
    /// The kubelet's list shows this state. The one before it may be any: it may not have been seen,
    /// and a restarted kubelet shows an old one once more.
    fn list(state: &LastState, now: Moment) -> Self {
        Self {
            since: now,
            seen: vec![None, Some(state.digest())],
        }
    }

    /// What the API server may say again after this was; `None` if this is new. The last state may be written late by any time, the one
    /// before it only by a write that is under way.
    fn after(&self, digest: u64, now: Moment) -> Option<Self> {
        let rest = self.rest(digest)?;
        let in_time = rest.seen.is_empty() || now.since(self.since) < UNDER_WAY;
        in_time.then_some(rest)
    }

    /// What the kubelet may repeat after this; `None` if this is new.
    fn repeats(&self, digest: u64, now: Moment) -> Option<Self> {
        let rest = self.rest(digest)?;
        (now.since(self.since) < AFTER_LIST).then_some(rest)
    }

    fn rest(&self, digest: u64) -> Option<Self> {
        let is = |digest| self.seen.iter().position(|seen| *seen == digest);
        let at = is(Some(digest)).or_else(|| is(None))?;
        Some(Self {
            since: self.since,
            seen: self.seen[at + 1..].to_vec(),
        })
    }
}
