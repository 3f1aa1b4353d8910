//! Which source of evidence is open: the kubelet's socket where it answers, else the API server.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, future};
use tracing::{debug, info, warn};

use super::Agent;
use crate::config::Evidence;
use crate::evidence::{self, Sighting};
use crate::judge::{Moment, Source};
use crate::metrics::BySource;

/// The first and the longest pause before evidence that was lost is opened anew, before jitter. What is missed meanwhile is not
/// counted, so the longest is short; only nodes with an unsettled Pod try at all.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// Evidence that was complete for this long was well: the pauses start anew. A list that is allowed and a watch that is not must not make a loop.
const WAS_WELL: Duration = Duration::from_secs(60);

/// When evidence that was lost may be opened anew.
#[derive(Debug)]
struct Retry {
    not_before: Moment,
    pause: Duration,
}

impl Retry {
    fn at_once(now: Moment) -> Self {
        Self {
            not_before: now,
            pause: PAUSES.0,
        }
    }

    /// Evidence that had been complete for `lasted` was lost. `share` tells this node from the others.
    fn after(&mut self, lasted: Option<Duration>, now: Moment, share: f64) {
        if lasted.is_some_and(|lasted| lasted >= WAS_WELL) {
            self.pause = PAUSES.0;
        }
        self.not_before = now.after(self.pause.mul_f64(1.0 + share));
        self.pause = (self.pause * 2).min(PAUSES.1);
    }
}

/// While the API server is used in place of the kubelet's socket, that is tried this often.
const TRY_KUBELET: Duration = Duration::from_secs(60);

/// A stream of the kubelet's that ends (it drops readers that fall behind) is opened anew at once, but not more often than this.
const REOPEN: Duration = Duration::from_secs(10);

/// A source of evidence that was opened.
pub(super) struct Open {
    pub(super) source: Source,
    stream: Pin<Box<dyn Stream<Item = Sighting> + Send>>,
}

/// What the next word of a source is; never, if none is open.
pub(super) async fn next(open: &mut Option<Open>) -> Option<Sighting> {
    match open {
        Some(open) => open.stream.next().await,
        None => future::pending().await,
    }
}

/// When which source may be opened.
#[derive(Debug)]
pub(super) struct Choice {
    retry: Retry,
    /// Where there is a choice, the kubelet's socket is not tried before.
    kubelet_due: Moment,
    /// When a stream of the kubelet's was last opened anew at once.
    reopened: Option<Moment>,
    /// The source that was last said to be in use.
    told: Option<Source>,
}

impl Choice {
    pub(super) fn at_once(now: Moment) -> Self {
        Self {
            retry: Retry::at_once(now),
            kubelet_due: now,
            reopened: None,
            told: None,
        }
    }
}

impl Agent {
    /// The source of the evidence that is open.
    pub(super) fn source(&self) -> Option<Source> {
        self.evidence.as_ref().map(|open| open.source)
    }

    pub(super) fn open(&mut self, now: Moment) {
        if now < self.choice.retry.not_before {
            return;
        }
        let kubelet = match self.config.evidence {
            Evidence::Auto => self.is_kubelet_due(now),
            Evidence::Kubelet => true,
            Evidence::ApiServer => false,
        };
        self.evidence = Some(match kubelet {
            true => self.kubelet(),
            false => self.apiserver(),
        });
        debug!(unsettled = self.sandboxes.unsettled(), source = ?self.source(), "evidence opened");
    }

    fn kubelet(&self) -> Open {
        Open {
            source: Source::Kubelet,
            stream: Box::pin(evidence::watch_kubelet(
                &self.config.startup.kubelet_pods_socket,
            )),
        }
    }

    fn apiserver(&self) -> Open {
        let stream = evidence::watch(self.api.clone(), &self.config.policy.node);
        Open {
            source: Source::ApiServer,
            stream: Box::pin(stream),
        }
    }

    /// Where there is a choice: whether the kubelet's socket is to be tried now.
    fn is_kubelet_due(&mut self, now: Moment) -> bool {
        if now < self.choice.kubelet_due {
            return false;
        }
        let is_there = self.config.startup.kubelet_pods_socket.exists();
        if !is_there {
            self.choice.kubelet_due = now.after(TRY_KUBELET);
        }
        is_there
    }

    /// While the API server stands in for the kubelet's socket: sees whether that answers again. Until it does the API server goes on.
    pub(super) fn try_kubelet(&mut self, now: Moment) {
        let stands_in = self.config.evidence == Evidence::Auto
            && self.source() == Some(Source::ApiServer)
            && self.candidate.is_none();
        if stands_in && self.is_kubelet_due(now) {
            self.candidate = Some(self.kubelet());
        }
    }

    /// The first word of the kubelet's socket while the API server stood in for it.
    pub(super) fn tried(&mut self, sighting: Option<Sighting>) {
        let candidate = self.candidate.take();
        match sighting {
            None | Some(Sighting::Lost(_)) => {
                self.choice.kubelet_due = self.clock.now().after(TRY_KUBELET);
            }
            sighting => {
                self.close();
                self.evidence = candidate;
                self.sighted(sighting);
            }
        }
    }

    pub(super) fn sighted(&mut self, sighting: Option<Sighting>) {
        match sighting {
            Some(Sighting::Alive) => {}
            Some(Sighting::Seen(view)) => self.judge(&view),
            Some(Sighting::Left(uid, now)) => self.left(&uid, now.as_deref()),
            Some(Sighting::Complete(named)) => {
                self.say_source();
                self.complete(&named);
            }
            Some(Sighting::Lost(error)) => self.lost(&error),
            None => self.lost("the watch has ended"),
        }
        let now = self.clock.now();
        self.last_word = self.evidence.as_ref().map(|_| now);
        self.take_back_what_is_over(now);
        self.head_log();
        self.save();
    }

    fn say_source(&mut self) {
        let source = self.source();
        if self.choice.told != source {
            info!(
                source = source.map(Source::as_str),
                "evidence is taken from this source"
            );
        }
        self.choice.told = source;
        if !std::mem::replace(&mut self.evidence_well, true) {
            info!("evidence is back");
        }
    }

    /// Nothing is missed for good: it is opened anew, and names all that is Pending again.
    fn lost(&mut self, error: &str) {
        let now = self.clock.now();
        let lasted = self.complete_since.map(|since| now.since(since));
        let source = self.source();
        self.close();
        if source == Some(Source::Kubelet) {
            let rested = self.choice.reopened;
            if lasted.is_some() && rested.is_none_or(|at| now.since(at) >= REOPEN) {
                debug!(error, "the kubelet's stream has ended, opened anew");
                self.choice.reopened = Some(now);
                self.evidence = Some(self.kubelet());
                return;
            }
            self.choice.kubelet_due = now.after(TRY_KUBELET);
            if self.config.evidence == Evidence::Auto {
                info!(
                    error,
                    "the kubelet's socket does not answer, the API server is asked instead"
                );
                self.evidence = Some(self.apiserver());
                return;
            }
        } else {
            // Whoever answers first.
            self.choice.kubelet_due = now;
        }
        let share = self.share();
        self.choice.retry.after(lasted, now, share);
        if std::mem::replace(&mut self.evidence_well, false) {
            let from = match source {
                Some(Source::Kubelet) => "the kubelet",
                _ => "the API server",
            };
            warn!(error, "evidence from {from} is lost, trying again");
        }
    }

    pub(super) fn close(&mut self) {
        let now = self.clock.now();
        // The kubelet's socket is on this node: it does not fall silent without ending.
        let spoken = match self.source() {
            Some(Source::Kubelet) => Some(now),
            _ => self.last_word,
        };
        self.sandboxes.incomplete(spoken, now);
        self.evidence = None;
        self.candidate = None;
        self.complete_since = None;
        self.last_word = None;
        self.absent.clear();
    }

    /// Brings the metrics of the evidence up to date.
    pub(super) fn count_evidence(&self) {
        self.metrics
            .evidence_open
            .set(self.evidence.is_some().into());
        self.metrics.evidence_lost.set((!self.evidence_well).into());
        for source in [Source::Kubelet, Source::ApiServer] {
            let is_open = self.source() == Some(source);
            let source = source.as_str();
            let gauge = self
                .metrics
                .evidence_source
                .get_or_create(&BySource { source });
            gauge.set(is_open.into());
        }
    }
}
