//! The sources of evidence: the kubelet's socket where it answers, else the API server. One is open
//! while a Pod is unsettled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, future};
use tracing::{debug, info, warn};

use super::sandboxes::ABSENT;
use crate::config::Evidence;
use crate::evidence::{self, ApiServer, Lost, Sighting};
use crate::judge::{Moment, Source};

/// First and longest pause before evidence that was lost is opened again, before jitter. Only nodes with
/// an unsettled Pod try at all.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// Jitter before the API server is asked again: the agents of a cluster come one after the other when it
/// has restarted. Each makes two requests. In the worst second a thousand of them made 83, and with 45 s
/// 125 (`cargo bench-fleet`). A failure that is missed meanwhile is counted by the back-off that follows it.
const SPREAD: Duration = Duration::from_secs(60);

/// The longest pause that the API server may ask for.
const LONGEST: Duration = Duration::from_secs(60);

/// Share of the golden ratio: multiples of it are spread evenly between whole numbers.
const GOLDEN: f64 = 0.618_034;

/// Evidence that was complete for this long was well: the pauses start anew. A list that is allowed and a watch that is not must not make a loop.
const WAS_WELL: Duration = Duration::from_secs(60);

/// While the API server is used in place of the kubelet's socket, the socket is tried this often.
const TRY_KUBELET: Duration = Duration::from_secs(60);

/// A stream of the kubelet's that ends is opened again at once, but not more often than this. The
/// kubelet drops readers that fall behind.
const REOPEN: Duration = Duration::from_secs(10);

/// Ways to the sources, and which of them the configuration allows.
#[derive(Clone)]
pub(super) struct Ways {
    pub(super) evidence: Evidence,
    /// Path of the kubelet's socket.
    pub(super) kubelet: PathBuf,
    pub(super) api: ApiServer,
    /// Name of the node.
    pub(super) node: String,
    /// Number from 0 to 1 that differs from node to node.
    pub(super) share: f64,
}

/// A source that was opened.
struct Open {
    source: Source,
    stream: Pin<Box<dyn Stream<Item = Sighting> + Send>>,
}

impl Ways {
    fn open(&self, source: Source) -> Open {
        Open {
            source,
            stream: match source {
                Source::Kubelet => Box::pin(evidence::watch_kubelet(&self.kubelet)),
                Source::ApiServer => Box::pin(evidence::watch(self.api.clone(), &self.node)),
            },
        }
    }
}

/// State that decides which source may be opened, and when.
#[derive(Debug)]
struct Choice {
    /// Time from which evidence that was lost may be opened again.
    not_before: Moment,
    /// Pause after the next loss, before jitter.
    pause: Duration,
    /// Losses so far: each has a jitter of its own.
    losses: u32,
    /// Earliest time at which the kubelet's socket is tried, where there is a choice of source.
    kubelet_due: Moment,
    /// Time at which a stream of the kubelet's was last opened again at once.
    reopened: Option<Moment>,
    /// The source that was last said to be in use.
    said: Option<Source>,
}

impl Choice {
    fn at_once(now: Moment) -> Self {
        Self {
            not_before: now,
            pause: PAUSES.0,
            losses: 0,
            kubelet_due: now,
            reopened: None,
            said: None,
        }
    }

    /// Share of the next jitter, from 0 to 1. `share` tells this node from the others.
    fn part(&self, share: f64) -> f64 {
        GOLDEN.mul_add(f64::from(self.losses), share).fract()
    }

    /// Evidence that had been complete for `lasted` was lost. `more` is added to the pause.
    fn lost(&mut self, lasted: Option<Duration>, more: Duration, now: Moment) {
        if lasted.is_some_and(|lasted| lasted >= WAS_WELL) {
            self.pause = PAUSES.0;
        }
        self.not_before = now.after(self.pause + more);
        self.pause = (self.pause * 2).min(PAUSES.1);
        self.losses = self.losses.wrapping_add(1);
    }
}

/// A word of a source; `None` if its stream has ended.
#[derive(Debug)]
pub(super) enum Heard {
    /// Of the source that is open.
    Open(Option<Sighting>),
    /// Of the kubelet's socket, which is tried while the API server stands in for it.
    Candidate(Option<Sighting>),
}

/// End of a source.
#[derive(Debug)]
pub(super) struct Closed {
    /// Time of its last word.
    pub(super) spoken: Option<Moment>,
}

/// The sources of evidence.
pub(super) struct Sources {
    pub(super) ways: Ways,
    open: Option<Open>,
    /// The kubelet's socket, tried while the API server stands in for it.
    candidate: Option<Open>,
    /// Evidence could be opened when it was needed last.
    pub(super) well: bool,
    /// Time since which the open source has named all Pending Pods; from then on it reports every change.
    complete_since: Option<Moment>,
    /// Time of the open source's last word.
    last_word: Option<Moment>,
    /// Pods of which something is known and that complete evidence does not name, each with the time
    /// since when.
    absent: BTreeMap<String, Moment>,
    choice: Choice,
}

impl Sources {
    pub(super) fn new(ways: Ways, now: Moment) -> Self {
        Self {
            ways,
            open: None,
            candidate: None,
            well: true,
            complete_since: None,
            last_word: None,
            absent: BTreeMap::new(),
            choice: Choice::at_once(now),
        }
    }

    /// Returns the next word of a source; never, if none is open.
    pub(super) async fn next(&mut self) -> Heard {
        let open = next(&mut self.open);
        let candidate = next(&mut self.candidate);
        tokio::select! {
            sighting = open => Heard::Open(sighting),
            sighting = candidate => Heard::Candidate(sighting),
        }
    }

    /// The source that is open.
    pub(super) fn source(&self) -> Option<Source> {
        self.open.as_ref().map(|open| open.source)
    }

    /// The open source has named all Pending Pods.
    pub(super) fn is_complete(&self) -> bool {
        self.complete_since.is_some()
    }

    /// Opens a source, if it is time to.
    pub(super) fn open(&mut self, now: Moment) {
        if now < self.choice.not_before {
            return;
        }
        let source = match self.ways.evidence {
            Evidence::Only(source) => source,
            Evidence::Auto => match self.is_kubelet_due(now) {
                true => Source::Kubelet,
                false => Source::ApiServer,
            },
        };
        self.open = Some(self.ways.open(source));
        debug!(source = ?self.source(), "evidence opened");
    }

    /// Returns true if the kubelet's socket is to be tried now, where there is a choice of source.
    fn is_kubelet_due(&mut self, now: Moment) -> bool {
        if now < self.choice.kubelet_due {
            return false;
        }
        let is_there = self.ways.kubelet.exists();
        if !is_there {
            self.choice.kubelet_due = now.after(TRY_KUBELET);
        }
        is_there
    }

    /// Tries the kubelet's socket while the API server stands in for it. Until the socket answers
    /// the API server stays open.
    pub(super) fn try_kubelet(&mut self, now: Moment) {
        let stands_in = self.ways.evidence == Evidence::Auto
            && self.source() == Some(Source::ApiServer)
            && self.candidate.is_none();
        if stands_in && self.is_kubelet_due(now) {
            self.candidate = Some(self.ways.open(Source::Kubelet));
        }
    }

    /// The kubelet's socket answers again, or does not. Returns the end of the other source, if it
    /// has taken its place.
    pub(super) fn tried(&mut self, sighting: &Option<Sighting>, now: Moment) -> Option<Closed> {
        let candidate = self.candidate.take();
        if matches!(sighting, None | Some(Sighting::Lost(_))) {
            self.choice.kubelet_due = now.after(TRY_KUBELET);
            return None;
        }
        let closed = self.close(now);
        self.open = candidate;
        Some(closed)
    }

    /// The open source has said something.
    pub(super) fn spoke(&mut self, now: Moment) {
        self.last_word = self.open.as_ref().map(|_| now);
    }

    /// The open source has named all Pending Pods, by UID. `known`: the Pods of which something is
    /// known.
    pub(super) fn complete<'a>(
        &mut self,
        named: &BTreeSet<String>,
        known: impl Iterator<Item = &'a str>,
        now: Moment,
    ) {
        if self.choice.said != self.source() {
            let source = self.source().map(Source::as_str);
            info!(source, "evidence is taken from this source");
        }
        self.choice.said = self.source();
        if !std::mem::replace(&mut self.well, true) {
            info!("evidence is back");
        }
        self.complete_since.get_or_insert(now);
        for uid in known.filter(|uid| !named.contains(*uid)) {
            self.absent.entry(uid.to_owned()).or_insert(now);
        }
    }

    /// A source has named this Pod, or it has left.
    pub(super) fn is_present(&mut self, uid: &str) {
        self.absent.remove(uid);
    }

    /// The Pods that complete evidence has not named for so long that they are not Pending: those
    /// that are judged, and those of which only counts of an earlier time are known.
    pub(super) fn absent_for_long(&self, now: Moment) -> Vec<String> {
        let absent = self.absent.iter();
        let gone = absent.filter(|(_, since)| now.since(**since) >= ABSENT);
        gone.map(|(uid, _)| uid.clone()).collect()
    }

    /// The open source has ended. Nothing is missed for good: the next one names all Pending Pods.
    pub(super) fn lost(&mut self, lost: &Lost, now: Moment) -> Closed {
        let error = lost.why.as_str();
        let lasted = self.complete_since.map(|since| now.since(since));
        let source = self.source();
        let closed = self.close(now);
        if source == Some(Source::Kubelet) {
            let rested = self.choice.reopened;
            if lasted.is_some() && rested.is_none_or(|at| now.since(at) >= REOPEN) {
                debug!(error, "the kubelet's stream has ended, opened again");
                self.choice.reopened = Some(now);
                self.open = Some(self.ways.open(Source::Kubelet));
                return closed;
            }
            self.choice.kubelet_due = now.after(TRY_KUBELET);
            if self.ways.evidence == Evidence::Auto {
                info!(
                    error,
                    "the kubelet's socket does not answer, the API server is asked instead"
                );
                self.open = Some(self.ways.open(Source::ApiServer));
                return closed;
            }
        } else {
            // Whoever answers first.
            self.choice.kubelet_due = now;
        }
        let jitter = match self.ways.evidence {
            // Nobody shares it.
            Evidence::Only(Source::Kubelet) => self.choice.pause,
            _ => SPREAD,
        };
        let jitter = jitter.mul_f64(self.choice.part(self.ways.share));
        let asked = lost.asked.unwrap_or_default().min(LONGEST);
        self.choice.lost(lasted, jitter + asked, now);
        if std::mem::replace(&mut self.well, false) {
            let from = source.unwrap_or_default().title();
            warn!(error, "evidence from {from} is lost, trying again");
        }
        closed
    }

    /// Closes the open source.
    pub(super) fn close(&mut self, now: Moment) -> Closed {
        // The kubelet's socket is on this node: it does not fall silent without ending.
        let spoken = match self.source() {
            Some(Source::Kubelet) => Some(now),
            _ => self.last_word,
        };
        self.open = None;
        self.candidate = None;
        self.complete_since = None;
        self.last_word = None;
        self.absent.clear();
        Closed { spoken }
    }

    /// The configuration allows other sources from now on.
    pub(super) fn allow(&mut self, evidence: Evidence, now: Moment) {
        if self.ways.evidence != evidence {
            self.ways.evidence = evidence;
            self.choice = Choice::at_once(now);
        }
    }
}

/// Returns the next word of a source; never, if it is not open.
async fn next(open: &mut Option<Open>) -> Option<Sighting> {
    match open {
        Some(open) => open.stream.next().await,
        None => future::pending().await,
    }
}
