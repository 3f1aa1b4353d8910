//! Polls the container runtime: which Pods are on the node, and which images.

use std::collections::BTreeSet;
use std::future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use tracing::{info, warn};

use super::sandboxes::Sandboxes;
use crate::cri::{Runtime, Sandbox};
use crate::images::{Arrival, Images};
use crate::judge::Moment;
use crate::text::redacted;

/// A node on which nothing was unsettled for this long is polled less often.
const CALM: Duration = Duration::from_secs(60);

/// Longest pause between two polls, unless a longer one is configured. The kubelet shows the first
/// failure of a Pod for about ten seconds, and the agent must see it.
const LONGEST: Duration = Duration::from_secs(8);

/// Pause after a poll that found a Pod without a container.
const PROMPT: Duration = Duration::from_secs(1);

/// A question to the runtime that is not answered yet.
type Question = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Answer of the runtime.
#[derive(Debug)]
pub(super) enum Answer {
    /// The sandboxes that are ready.
    Sandboxes(Result<Vec<Sandbox>, tonic::Status>),
    /// Answer to the second question of a poll.
    More(Result<More, tonic::Status>),
}

/// Things that the runtime is asked for only if there is need.
#[derive(Debug, Default)]
pub(super) struct More {
    /// Ids of the sandboxes that have a container.
    containers: Option<BTreeSet<String>>,
    /// Names of the images.
    images: Option<Vec<String>>,
}

/// Polls the runtime, and keeps what it has answered.
pub(super) struct Poller {
    runtime: Runtime,
    /// The runtime has answered the last question.
    pub(super) well: bool,
    /// The question that is being asked.
    question: Option<Question>,
    /// The Pods on the node.
    pub(super) sandboxes: Sandboxes,
    /// The images on the node.
    pub(super) images: Images,
    /// Time since which nothing is unsettled.
    pub(super) quiet_since: Option<Moment>,
}

impl Poller {
    pub(super) fn new(runtime: Runtime, images: Images) -> Self {
        Self {
            runtime,
            well: true,
            question: None,
            sandboxes: Sandboxes::default(),
            images,
            quiet_since: None,
        }
    }

    /// The runtime is being asked.
    pub(super) fn is_asking(&self) -> bool {
        self.question.is_some()
    }

    /// Returns the next answer of the runtime; never, if it is not asked.
    pub(super) async fn answer(&mut self) -> Answer {
        let answer = match &mut self.question {
            Some(question) => question.await,
            None => future::pending().await,
        };
        self.question = None;
        answer
    }

    /// Asks for the sandboxes.
    pub(super) fn ask(&mut self) {
        let mut runtime = self.runtime.clone();
        self.question = Some(Box::pin(async move {
            Answer::Sandboxes(runtime.sandboxes().await)
        }));
    }

    /// Asks for containers while a Pod is unsettled, and for images while a pull fails. Returns
    /// `false` if there is no need for either.
    pub(super) fn ask_more(&mut self, is_any_failing: bool) -> bool {
        let containers = self.sandboxes.unsettled() > 0;
        let images = self.images.is_unknown() || is_any_failing;
        if !containers && !images {
            return false;
        }
        let mut runtime = self.runtime.clone();
        self.question = Some(Box::pin(async move {
            let ask = async {
                let mut more = More::default();
                if containers {
                    more.containers = Some(runtime.sandboxes_with_containers().await?);
                }
                if images {
                    more.images = Some(runtime.images().await?);
                }
                Ok(more)
            };
            Answer::More(ask.await)
        }));
        true
    }

    /// Takes up an answer to the second question. Returns the images that came to the node: they
    /// were pulled from a registry that works, perhaps for another Pod.
    pub(super) fn take(&mut self, more: More, now: Moment) -> Vec<Arrival> {
        if let Some(containers) = more.containers {
            self.sandboxes.note_containers(&containers);
        }
        let images = more.images;
        images.map_or_else(Vec::new, |images| self.images.update(images, now))
    }

    /// Notes whether the runtime answers.
    pub(super) fn note(&mut self, polled: &Result<(), tonic::Status>, socket: &Path) {
        let was_well = std::mem::replace(&mut self.well, polled.is_ok());
        match polled {
            Ok(()) if !was_well => info!("the container runtime answers again"),
            Err(status) if was_well => {
                let status = status.to_string();
                let socket = socket.display();
                warn!(%socket, status = %redacted(&status), "the container runtime does not answer");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Notes whether anything is unsettled or judged. Returns for how long nothing is.
    pub(super) fn quiet(&mut self, is_any_judged: bool, now: Moment) -> Duration {
        if self.sandboxes.unsettled() > 0 || is_any_judged {
            self.quiet_since = None;
            return Duration::ZERO;
        }
        now.since(*self.quiet_since.get_or_insert(now))
    }

    /// Time until the next poll.
    pub(super) fn pause(&self, poll: Duration, now: Moment) -> Duration {
        let quiet = self.quiet_since.map(|since| now.since(since));
        pause(poll, self.sandboxes.is_any_new(), quiet)
    }
}

/// Time until the next poll. `quiet`: for how long nothing was unsettled.
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
    fn a_new_pod_is_polled_promptly_and_a_calm_node_seldom() {
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
