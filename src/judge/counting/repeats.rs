//! Decides whether a reported state of a container is new, or was reported before.

// A source that is not live is behind the live one, and a restarted kubelet begins with what that
// source has. Therefore, if a live source reports or has reported:
//
// - The first report of any source may be older than the last state that was seen, by any number of
//   states. It is not new.
// - Later reports of a live source are new, except for a while after its list.
// - Later reports of another source may repeat the last two states that the live source showed.
//   These states, once each and in their order, are not new.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::judge::{Moment, Source};

/// A source that is not live is behind by a write that is under way: usually by 5 to 60 ms, never for
/// this long.
const UNDER_WAY: Duration = Duration::from_secs(30);

/// States of one container beside the last one, by their digests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::judge) struct Repeats {
    /// The state before the last one, if that was seen.
    #[serde(default)]
    before: Option<u64>,
    /// States that a source which is not live may report again.
    #[serde(default)]
    behind: Option<Pending>,
    /// States that a live source may report again after its list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listed: Option<Pending>,
}

/// States that may be reported again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    since: Moment,
    /// The states in order, without those that were repeated. `None`: one that was not seen, because
    /// the live source's first report came after it. It may be any.
    seen: Vec<Option<u64>>,
}

/// One report of a container's state.
#[derive(Clone, Copy, Debug)]
pub(in crate::judge) struct Said {
    pub(in crate::judge) source: Source,
    /// It is the source's first report of the Pod.
    pub(in crate::judge) first: bool,
    /// A live source reports, or has reported last.
    pub(in crate::judge) live: bool,
    /// Nothing can be counted twice by it: the image is past its pull, or nothing was counted.
    pub(in crate::judge) safe: bool,
}

impl Said {
    /// `before`: the source of the report before.
    pub(in crate::judge) fn by(source: Source, first: bool, before: Source, safe: bool) -> Self {
        Self {
            source,
            first,
            live: source.trust().live || before.trust().live,
            safe,
        }
    }

    fn is_listed(self) -> bool {
        self.first && self.source.trust().repeats.is_some()
    }
}

impl Repeats {
    /// The first state of a container that is seen.
    pub(in crate::judge) fn first(state: u64, said: Said, now: Moment) -> Self {
        Self {
            listed: said.is_listed().then(|| Pending::list(state, now)),
            ..Self::default()
        }
    }

    /// Returns what is known after the state `next` was reported where `last` was the last one, and
    /// whether `next` is new.
    pub(in crate::judge) fn next(
        &self,
        (last, next): (u64, u64),
        said: Said,
        now: Moment,
    ) -> (Self, bool) {
        let (mut known, is_new) = self.followed_by((last, next), said, now);
        if said.is_listed() {
            known.listed = Some(Pending::list(next, now));
        }
        (known, is_new)
    }

    fn followed_by(&self, (last, next): (u64, u64), said: Said, now: Moment) -> (Self, bool) {
        let trust = said.source.trust();
        let is_same = last == next;
        let behind = self.behind.as_ref();
        let listed = self.listed.as_ref().filter(|_| trust.live && !said.first);
        let mut known = Self {
            before: match (is_same, said.is_listed()) {
                (true, _) => self.before,
                (false, false) => Some(last),
                // Whatever came before it was not seen.
                (false, true) => None,
            },
            ..Self::default()
        };
        let may_be_old = said.first && !said.safe && (said.live || behind.is_some());
        if may_be_old && trust.live {
            if let Some([seen @ .., newest]) = behind.map(|behind| &behind.seen[..]) {
                known.before = match *newest == Some(next) {
                    true => seen.last().copied().flatten(),
                    false => *newest,
                };
            }
            return (known, false);
        }
        if may_be_old {
            known.behind = Some(behind.cloned().unwrap_or_else(|| Pending {
                since: now,
                seen: vec![self.before, Some(last)],
            }));
            return (known, false);
        }
        if is_same {
            known.behind = behind.cloned();
            known.listed = listed.cloned();
            return (known, false);
        }
        let behind = behind.filter(|_| !said.safe);
        let again = behind.and_then(|behind| behind.after(next, now));
        let listed = listed.filter(|_| !said.safe);
        let repeated = listed.and_then(|listed| {
            let in_time = trust
                .repeats
                .is_some_and(|span| now.since(listed.since) < span);
            listed.rest(next).filter(|_| in_time)
        });
        let is_new = again.is_none() && repeated.is_none();
        known.behind = again.filter(|behind| !behind.seen.is_empty());
        known.listed = repeated.filter(|listed| !listed.seen.is_empty());
        (known, is_new)
    }

    /// Moments of the boot before mean nothing any more.
    pub(in crate::judge) fn rebooted(&mut self) {
        self.behind = None;
        self.listed = None;
    }
}

impl Pending {
    /// A live source's list shows this state. The one before it may be any: it may not have been
    /// seen, and a restarted kubelet shows an old one once more.
    fn list(state: u64, now: Moment) -> Self {
        Self {
            since: now,
            seen: vec![None, Some(state)],
        }
    }

    /// Returns what may be reported again after this; `None` if this is new. The last state may be
    /// written late by any time, the one before it only by a write that is under way.
    fn after(&self, state: u64, now: Moment) -> Option<Self> {
        let rest = self.rest(state)?;
        let in_time = rest.seen.is_empty() || now.since(self.since) < UNDER_WAY;
        in_time.then_some(rest)
    }

    fn rest(&self, state: u64) -> Option<Self> {
        let is = |state| self.seen.iter().position(|seen| *seen == state);
        let at = is(Some(state)).or_else(|| is(None))?;
        Some(Self {
            since: self.since,
            seen: self.seen[at + 1..].to_vec(),
        })
    }
}
