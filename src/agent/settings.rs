//! The configuration, taken up again when its file has changed; and the guard that a mode other than observe asks for.

use std::sync::Arc;

use anyhow::bail;
use tracing::{info, warn};

use super::Agent;
use super::reports::Report;
use super::sandboxes::Sandboxes;
use super::sources::Choice;
use crate::config::Config;
use crate::judge::NodeMode;
use crate::report::{Line, Unguarded};

impl Agent {
    /// Tries, where an agent that may write begins, whether it is held to its own node. It is tried again before the first write.
    pub(super) fn make_sure(&mut self) {
        if self.config.policy.mode == NodeMode::Observe {
            return;
        }
        if self.guard.is_known().is_none() {
            warn!(
                "not run in a Pod: whether the API server holds this agent to its own node is not tried"
            );
            return;
        }
        let (api, guard) = (self.api.clone(), self.guard.clone());
        self.reports.spawn(async move {
            Report::Guarded(match api.client().await {
                Ok(client) => guard.make_sure(client).await,
                Err(error) => Err(Unguarded::Unknown(error)),
            })
        });
    }

    /// Whether the agent is held to its own node, as it was tried at the start. Without an answer it goes on.
    ///
    /// # Errors
    /// If it is not: then it ends.
    pub(super) fn guarded(&self, tried: Result<(), Unguarded>) -> anyhow::Result<()> {
        match tried {
            Ok(()) => info!("the API server holds this agent to its own node"),
            Err(Unguarded::Open(why)) => bail!(
                "not going on with mode: {}: {why}",
                self.config.policy.mode.as_str()
            ),
            Err(
                Unguarded::Off(error) | Unguarded::NotByPolicy(error) | Unguarded::Unknown(error),
            ) => {
                warn!(
                    error,
                    "whether the API server holds this agent to its own node is not known yet; nothing is written before it is"
                );
            }
        }
        Ok(())
    }

    /// Takes up the configuration's file if it has changed: whole, or not at all.
    pub(super) fn reread(&mut self) {
        let Some(changed) = self.given.changed(&self.config) else {
            return;
        };
        match changed {
            Ok(config) => {
                info!(
                    mode = config.policy.mode.as_str(),
                    "the configuration has changed and is taken up"
                );
                self.refused = None;
                self.take_up(config);
            }
            Err(faults) => {
                warn!(%faults, "the configuration has changed and is refused, the one before stays in force");
                self.refused = Some(faults.to_string());
            }
        }
        self.metrics
            .configuration_refused
            .set(self.refused.is_some().into());
    }

    /// Reports that are under way go by the policy as it is now.
    pub(super) fn put_in_force(&self) {
        self.in_force
            .send_replace(Arc::new(self.config.policy.clone()));
    }

    fn take_up(&mut self, mut config: Config) {
        let now = self.clock.now();
        // What the API server said of the namespaces' labels is true as before.
        config.policy.namespace_labels = std::mem::take(&mut self.config.policy.namespace_labels);
        let before = std::mem::replace(&mut self.config, config);
        self.put_in_force();
        let line = Line::Configuration {
            config: self.config.judging(),
        };
        self.write_line(now, &line);
        self.docket
            .reconfigure(self.config.brake, self.config.warm_up, now);
        if self.config.evidence != before.evidence {
            self.choice = Choice::at_once(now);
        }
        // Whom the old rules left alone the new ones may not, and the other way round. Evidence that is opened anew names all of them; what
        // was counted stays.
        self.close();
        self.sandboxes = Sandboxes::default();
        let views = self.docket.views(|_| true);
        self.judge_again(views, now);
        self.unsaved = true;
    }
}
