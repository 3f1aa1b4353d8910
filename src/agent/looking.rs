//! Looking: at the runtime at every tick, at the evidence while something is unsettled.

use std::collections::BTreeSet;
use std::future;
use std::pin::Pin;
use std::time::Duration;

use tracing::debug;

use super::Agent;
use super::images::Arrival;
use super::sandboxes::ABSENT;
use crate::cri::Sandbox;
use crate::judge::{Moment, Source};
use crate::report::Line;
use crate::text::Shown;

/// Evidence is closed this long after the last Pod settled.
const LINGER: Duration = Duration::from_secs(30);

/// A node where nothing was unsettled for this long is looked at less often.
const CALM: Duration = Duration::from_secs(60);

/// The longest pause between two looks that is not asked for. The first failure of a Pod is shown for ten seconds or so, and is to be seen.
const LONGEST: Duration = Duration::from_secs(8);

/// A Pod that has come without a container is looked at again after this.
const PROMPT: Duration = Duration::from_secs(1);

/// A question to the runtime that is not answered yet.
pub(super) type Look = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What the runtime has answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// The sandboxes that are ready.
    Sandboxes(Result<Vec<Sandbox>, tonic::Status>),
    /// What it was asked for besides.
    More(Result<More, tonic::Status>),
}

/// What the runtime is asked for besides the sandboxes, each only if there is need.
#[derive(Debug)]
pub(super) struct More {
    /// The sandboxes that have a container.
    containers: Option<BTreeSet<String>>,
    /// The images.
    images: Option<Vec<String>>,
}

/// What the runtime answers; never, if it is not asked.
pub(super) async fn answer(look: &mut Option<Look>) -> Answer {
    match look {
        Some(look) => look.await,
        None => future::pending().await,
    }
}

impl Agent {
    /// How long until the next look.
    pub(super) fn pause(&self) -> Duration {
        let now = self.clock.now();
        let quiet = self.quiet_since.map(|since| now.since(since));
        pause(self.config.poll, self.sandboxes.is_any_new(), quiet)
    }

    /// Asks the runtime for its sandboxes. A runtime that does not answer keeps nothing else waiting.
    pub(super) fn begin_look(&mut self) {
        self.reread();
        let mut runtime = self.runtime.clone();
        self.look = Some(Box::pin(async move {
            Answer::Sandboxes(runtime.sandboxes().await)
        }));
    }

    /// Takes up what the runtime has answered, and asks for more if there is need.
    pub(super) fn answered(&mut self, answer: Answer) {
        self.look = None;
        match answer {
            Answer::Sandboxes(Ok(found)) => {
                self.take_up_sandboxes(found);
                self.ask_for_more();
            }
            Answer::More(Ok(More { containers, images })) => {
                if let Some(containers) = containers {
                    self.sandboxes.note_containers(&containers);
                }
                if let Some(images) = images {
                    self.take_up_images(images);
                }
                self.looked(Ok(()));
            }
            Answer::Sandboxes(Err(status)) | Answer::More(Err(status)) => self.looked(Err(status)),
        }
    }

    /// Containers are asked for while a Pod is unsettled, images while a pull fails.
    fn ask_for_more(&mut self) {
        let containers = self.sandboxes.unsettled() > 0;
        let images = self.images.is_unknown() || self.docket.is_any_failing();
        if !containers && !images {
            return self.looked(Ok(()));
        }
        let mut runtime = self.runtime.clone();
        self.look = Some(Box::pin(async move {
            let ask = async {
                let containers = match containers {
                    true => Some(runtime.sandboxes_with_containers().await?),
                    false => None,
                };
                let images = match images {
                    true => Some(runtime.images().await?),
                    false => None,
                };
                Ok(More { containers, images })
            };
            Answer::More(ask.await)
        }));
    }

    fn take_up_sandboxes(&mut self, found: Vec<Sandbox>) {
        let now = self.clock.now();
        let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
        self.metrics.sandboxes.set(count);
        let policy = &self.config.policy;
        // An open watch tells of changes itself; who was looked away from is looked at again with the next one.
        let again = self.evidence.is_none();
        self.sandboxes
            .update(found, now, again, |namespace| policy.excludes(namespace));
    }

    /// What came to the node since the last look was pulled: from a registry that works, then, and perhaps for another Pod.
    fn take_up_images(&mut self, found: Vec<String>) {
        let now = self.clock.now();
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
    }

    pub(super) fn open_or_close(&mut self, now: Moment) {
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
        // A Pod that is judged needs evidence until it has left, even if its sandbox is gone by now.
        let wanted = self.sandboxes.want_evidence(now) || !self.docket.latest.is_empty();
        if self.evidence.is_none() && wanted {
            self.open(now);
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
        let counted = self.docket.ledger.pods().map(|(uid, _)| uid);
        let known = counted.chain(self.docket.latest.keys().map(String::as_str));
        for uid in known.filter(|uid| !named.contains(*uid)) {
            self.absent.entry(uid.to_owned()).or_insert(now);
        }
    }

    /// Whoever complete evidence has not named for a while has left, whether it is judged or only its counts of an earlier time are there.
    pub(super) fn forget_absent(&mut self, now: Moment) {
        let absent = self.absent.iter();
        let gone = absent.filter(|(_, since)| now.since(**since) >= ABSENT);
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
