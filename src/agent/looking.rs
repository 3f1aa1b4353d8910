//! Looking: at the runtime at every tick, at the evidence while something is unsettled.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::sandboxes::ABSENT;
use super::{Agent, Latest};
use crate::evidence::{self, Sighting};
use crate::judge::Moment;

/// Evidence is closed this long after the last Pod settled.
const LINGER: Duration = Duration::from_secs(30);

/// The first and the longest pause before evidence that was lost is opened anew, before jitter. What is missed meanwhile is not
/// counted, so the longest is short; only nodes with an unsettled Pod try at all.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// Evidence that was complete for this long was well: the pauses start anew. A list that is allowed and a watch that is not must not make a loop.
const WAS_WELL: Duration = Duration::from_secs(60);

/// When evidence that was lost may be opened anew.
#[derive(Debug)]
pub(super) struct Retry {
    not_before: Moment,
    pause: Duration,
}

impl Retry {
    pub(super) fn at_once(now: Moment) -> Self {
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

impl Agent {
    pub(super) async fn look(&mut self) -> Result<(), tonic::Status> {
        let found = self.runtime.sandboxes().await?;
        let now = self.clock.now();
        let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
        self.metrics.sandboxes.set(count);
        let policy = &self.config.policy;
        // An open watch tells of changes itself; who was looked away from is looked at again with the next one.
        let again = self.evidence.is_none();
        self.sandboxes
            .update(found, now, again, |namespace| policy.excludes(namespace));
        if self.sandboxes.unsettled() > 0 {
            let with_containers = self.runtime.sandboxes_with_containers().await?;
            self.sandboxes.note_containers(&with_containers);
        }
        Ok(())
    }

    pub(super) async fn open_or_close(&mut self, now: Moment) {
        let unsettled = self.sandboxes.unsettled();
        self.metrics
            .unsettled
            .set(i64::try_from(unsettled).unwrap_or(i64::MAX));
        if unsettled > 0 || !self.latest.is_empty() {
            self.quiet_since = None;
        } else {
            self.quiet_since.get_or_insert(now);
        }
        let quiet = self
            .quiet_since
            .is_some_and(|since| now.since(since) >= LINGER);
        if self.evidence.is_some() && quiet {
            debug!("nothing is unsettled, evidence closed");
            self.close();
        }
        if self.evidence.is_none() && self.sandboxes.want_evidence(now) {
            if now >= self.retry.not_before {
                self.open().await;
            }
        } else if self.evidence.is_none() {
            self.evidence_well = true;
        }
        if self.evidence.is_none() && self.reports.is_empty() {
            // No connection is kept on a quiet node.
            self.client = None;
        }
        self.metrics
            .evidence_open
            .set(self.evidence.is_some().into());
        self.metrics.evidence_lost.set((!self.evidence_well).into());
    }

    async fn open(&mut self) {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => match evidence::open(self.config.kubeconfig.as_deref()).await {
                Ok(client) => self.client.insert(client).clone(),
                Err(error) => {
                    if std::mem::replace(&mut self.client_well, false) {
                        warn!(error = format!("{error:#}"), "no way to the API server");
                    }
                    return;
                }
            },
        };
        self.client_well = true;
        debug!(unsettled = self.sandboxes.unsettled(), "evidence opened");
        self.evidence = Some(Box::pin(evidence::watch(client, &self.config.policy.node)));
    }

    pub(super) fn sighted(&mut self, sighting: Option<Sighting>) {
        match sighting {
            Some(Sighting::Seen(view)) => self.judge(*view),
            Some(Sighting::Left(uid)) => self.left(&uid),
            Some(Sighting::Complete(named)) => {
                if !std::mem::replace(&mut self.evidence_well, true) {
                    info!("evidence from the API server is back");
                }
                self.complete(&named);
            }
            Some(Sighting::Lost(error)) => self.lost(&error),
            None => self.lost("the watch has ended"),
        }
        self.save();
    }

    /// Nothing is missed for good: it is opened anew, with a fresh list, at a later tick.
    fn lost(&mut self, error: &str) {
        let now = self.clock.now();
        let lasted = self.complete_since.map(|since| now.since(since));
        self.retry.after(lasted, now, self.share());
        self.close();
        if std::mem::replace(&mut self.evidence_well, false) {
            warn!(%error, "evidence from the API server is lost, trying again");
        }
    }

    fn close(&mut self) {
        self.evidence = None;
        self.complete_since = None;
        self.sandboxes.incomplete();
        for latest in self.latest.values_mut() {
            latest.absent = None;
        }
    }

    pub(super) fn complete(&mut self, named: &BTreeSet<String>) {
        let now = self.clock.now();
        self.complete_since.get_or_insert(now);
        self.sandboxes.complete(named, now);
        for (uid, latest) in &mut self.latest {
            match named.contains(uid) {
                true => latest.absent = None,
                false => _ = latest.absent.get_or_insert(now),
            }
        }
    }

    pub(super) fn forget_absent(&mut self, now: Moment) {
        let absent = |latest: &Latest| latest.absent.is_some_and(|at| now.since(at) >= ABSENT);
        let gone = self.latest.iter().filter(|(_, latest)| absent(latest));
        let gone: Vec<String> = gone.map(|(uid, _)| uid.clone()).collect();
        for uid in gone {
            self.left(&uid);
        }
    }
}
