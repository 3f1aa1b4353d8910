//! The fleet budget: whether its ConfigMap is there and can be read.

use kube::Client;

use super::Finding;
use crate::clock::Clock;
use crate::config::Config;
use crate::judge::NodeMode;
use crate::report::{FLEET, Guard, fleet_tokens};

const WHAT: &str = "fleet budget";

/// Reads the ConfigMap. It writes nothing: whether a token may be entered, the permissions say.
pub(super) async fn look(client: &Client, config: &Config) -> Finding {
    let observes = config.policy.mode == NodeMode::Observe;
    if config.policy.fleet.is_none() {
        let found = "switched off: nothing limits how many Pods all agents together fail";
        return match observes {
            true => Finding::ok(WHAT, found),
            false => Finding::warning(WHAT, found, "set fleetBudget.enabled: on"),
        };
    }
    let guard = Guard::new(config.startup.own_pod.clone(), Clock::default());
    let namespace = guard.namespace();
    match fleet_tokens(client, namespace).await {
        Ok(tokens) => {
            let found = format!("the ConfigMap {namespace}/{FLEET} has {tokens} tokens");
            Finding::ok(WHAT, &found)
        }
        Err(why) => {
            let found = format!("the ConfigMap {namespace}/{FLEET} {why}");
            let remedy = "apply deploy/base/fleet.yaml and remove what is no token (docs/runbook.md): the agent fails no Pod before it can read it";
            match observes {
                true => Finding::warning(WHAT, &found, remedy),
                false => Finding::fault(WHAT, &found, remedy),
            }
        }
    }
}
