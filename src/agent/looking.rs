//! Looking: at the runtime at every tick, at the evidence while something is unsettled.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::{Agent, Latest};
use crate::evidence::{self, Sighting};
use crate::judge::Moment;

/// Evidence is closed this long after the last Pod settled.
const LINGER: Duration = Duration::from_secs(30);

/// A Pod that complete evidence does not name, for this long, is not Pending.
const ABSENT: Duration = Duration::from_secs(10);

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
            self.evidence = None;
            self.evidence_well = true;
            self.evidence_incomplete();
        }
        if self.evidence.is_none() && self.sandboxes.want_evidence(now) {
            self.open().await;
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
            Some(Sighting::Seen(view)) => {
                self.evidence_is_back();
                self.judge(*view);
            }
            Some(Sighting::Left(uid)) => {
                self.evidence_is_back();
                self.left(&uid);
            }
            Some(Sighting::Complete(named)) => {
                self.evidence_is_back();
                self.complete(&named);
            }
            Some(Sighting::Lost(error)) => {
                self.evidence_incomplete();
                if std::mem::replace(&mut self.evidence_well, false) {
                    warn!(%error, "evidence from the API server is lost, trying again");
                }
            }
            // Opened again at the next tick.
            None => {
                self.evidence = None;
                self.evidence_incomplete();
            }
        }
        self.save();
    }

    fn evidence_is_back(&mut self) {
        if !std::mem::replace(&mut self.evidence_well, true) {
            info!("evidence from the API server is back");
        }
    }

    fn evidence_incomplete(&mut self) {
        self.evidence_complete = false;
        self.sandboxes.incomplete();
        for latest in self.latest.values_mut() {
            latest.absent = None;
        }
    }

    pub(super) fn complete(&mut self, named: &BTreeSet<String>) {
        self.evidence_complete = true;
        let now = self.clock.now();
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
