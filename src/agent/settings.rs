//! The configuration in force, taken up again when its file has changed.

use anyhow::bail;
use tracing::{info, warn};

use crate::config::{Config, Given};
use crate::judge;
use crate::report::Unguarded;

/// The configuration, and where it comes from.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: Config,
    given: Given,
    /// Faults of the file as it is now; the configuration before it is in force.
    pub(super) refused: Option<String>,
}

impl Settings {
    pub(super) fn new(config: Config, given: Given) -> Self {
        Self {
            config,
            given,
            refused: None,
        }
    }

    /// The part that verdicts depend on.
    pub(super) fn judging(&self) -> judge::Settings {
        judge::Settings {
            policy: self.config.policy.clone(),
            brakes: self.config.brake,
            warm_up: self.config.warm_up,
        }
    }

    /// Reads the file again if it has changed: takes it up whole, or not at all. Returns whether
    /// another configuration is in force now.
    pub(super) fn reread(&mut self) -> bool {
        let Some(changed) = self.given.changed(&self.config) else {
            return false;
        };
        match changed {
            Ok(config) => {
                info!(
                    mode = config.policy.mode.as_str(),
                    "the configuration has changed and is taken up"
                );
                self.refused = None;
                self.config = config;
                true
            }
            Err(faults) => {
                warn!(%faults, "the configuration has changed and is refused, the one before stays in force");
                self.refused = Some(faults.to_string());
                false
            }
        }
    }

    /// Takes up whether the API server holds the agent to its own node. Without an answer the agent
    /// goes on.
    ///
    /// # Errors
    /// If it does not: then the agent ends.
    pub(super) fn guarded(&self, tried: Result<(), Unguarded>) -> anyhow::Result<()> {
        match tried {
            Ok(()) => info!("the API server holds this agent to its own node"),
            Err(Unguarded::Open(why)) => bail!(
                "not going on with mode: {}: {why}",
                self.config.policy.mode.as_str()
            ),
            Err(
                Unguarded::Off(error)
                | Unguarded::NotByPolicy(error)
                | Unguarded::Unknown { why: error, .. },
            ) => {
                warn!(
                    error,
                    "whether the API server holds this agent to its own node is not known yet; nothing is written before it is"
                );
            }
        }
        Ok(())
    }
}
