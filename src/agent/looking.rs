//! Looking: at the runtime at every tick, at the evidence while something is unsettled.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::debug;

use super::Agent;
use super::images::Arrival;
use super::sandboxes::ABSENT;
use crate::judge::{Latest, Moment, Shown, Source};
use crate::report::Line;

/// Evidence is closed this long after the last Pod settled.
const LINGER: Duration = Duration::from_secs(30);

/// A node where nothing was unsettled for this long is looked at less often.
const CALM: Duration = Duration::from_secs(60);

/// The longest pause between two looks that is not asked for. The first failure of a Pod is shown for ten seconds or so, and is to be seen.
const LONGEST: Duration = Duration::from_secs(8);

/// A Pod that has come without a container is looked at again after this.
const PROMPT: Duration = Duration::from_secs(1);

impl Agent {
    /// How long until the next look.
    pub(super) fn pause(&self) -> Duration {
        let now = self.clock.now();
        let quiet = self.quiet_since.map(|since| now.since(since));
        pause(self.config.poll, self.sandboxes.is_any_new(), quiet)
    }

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
        if self.images.is_unknown() || self.docket.ledger.is_any_failing() {
            self.look_at_images(now).await?;
        }
        Ok(())
    }

    /// What came to the node since the last look was pulled: from a registry that works, then, and perhaps for another Pod.
    async fn look_at_images(&mut self, now: Moment) -> Result<(), tonic::Status> {
        let found = self.runtime.images().await?;
        for Arrival { image, at } in self.images.update(found, now) {
            debug!(image = %Shown(&image), "an image has come to the node");
            self.docket.arrived(&image, at);
            let line = Line::Image {
                image: &image,
                came: at,
            };
            self.write_line(now, &line);
            self.unsaved = true;
        }
        Ok(())
    }

    pub(super) async fn open_or_close(&mut self, now: Moment) {
        let unsettled = self.sandboxes.unsettled();
        self.metrics
            .unsettled
            .set(i64::try_from(unsettled).unwrap_or(i64::MAX));
        if unsettled > 0 || !self.docket.latest.is_empty() {
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
            self.open(now).await;
        } else if self.evidence.is_none() {
            self.evidence_well = true;
        } else {
            self.try_kubelet(now);
        }
        if self.source() != Some(Source::ApiServer) && self.reports.is_empty() {
            // No connection is kept where none is needed.
            self.api.let_go();
        }
        self.count_evidence();
    }

    pub(super) fn complete(&mut self, named: &BTreeSet<String>) {
        let now = self.clock.now();
        self.complete_since.get_or_insert(now);
        self.sandboxes.complete(named, now);
        for (uid, latest) in &mut self.docket.latest {
            match named.contains(uid) {
                true => latest.absent = None,
                false => _ = latest.absent.get_or_insert(now),
            }
        }
    }

    pub(super) fn forget_absent(&mut self, now: Moment) {
        let absent = |latest: &Latest| latest.absent.is_some_and(|at| now.since(at) >= ABSENT);
        let gone = self
            .docket
            .latest
            .iter()
            .filter(|(_, latest)| absent(latest));
        let gone: Vec<String> = gone.map(|(uid, _)| uid.clone()).collect();
        for uid in gone {
            self.left(&uid, None);
        }
    }
}

/// How long until the next look. `quiet` is for how long nothing was unsettled.
fn pause(poll: Duration, is_any_new: bool, quiet: Option<Duration>) -> Duration {
    if is_any_new {
        poll.min(PROMPT)
    } else if quiet.is_some_and(|quiet| quiet >= CALM) {
        (poll * 2).min(LONGEST).max(poll)
    } else {
        poll
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_pod_is_looked_at_promptly_and_a_calm_node_seldom() {
        let seconds = Duration::from_secs;
        for (poll, is_any_new, quiet, expected) in [
            (5, false, None, 5),
            (5, false, Some(59), 5),
            (5, false, Some(60), 8),
            (2, false, Some(60), 4),
            (30, false, Some(60), 30),
            (5, true, Some(60), 1),
            (30, true, None, 1),
        ] {
            let found = pause(seconds(poll), is_any_new, quiet.map(seconds));
            assert_eq!(found, seconds(expected), "{poll} {is_any_new} {quiet:?}");
        }
        assert_eq!(pause(seconds(1) / 4, true, None), seconds(1) / 4);
    }
}
