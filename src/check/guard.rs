//! Checks whether the API server holds the agent to its own node, and whether the API server lets
//! the agent write at all at present.

use kube::Client;

use super::Finding;
use crate::clock::Clock;
use crate::config::Config;
use crate::judge::NodeMode;
use crate::report::{Guard, Unguarded};

const WHAT: &str = "writes";

/// Tries, as a dry run, what must be denied.
pub(super) async fn look(client: &Client, config: &Config) -> Finding {
    let observes = config.policy.mode == NodeMode::Observe;
    let Some(own) = &config.startup.own_pod else {
        let found = "whether the API server holds the agent to its own node was not tried: it runs in no Pod";
        return match observes {
            true => Finding::ok(WHAT, found),
            false => Finding::warning(
                WHAT,
                found,
                "run it as deploy/ does, or set ownPod to the Pod it runs in",
            ),
        };
    };
    let guard = Guard::new(Some(own.clone()), Clock::default());
    match guard.make_sure(client).await {
        Err(Unguarded::Off(_)) => Finding::warning(
            WHAT,
            "the API server denies every write at present: they are switched off for all agents",
            "to switch them on: kubectl delete -k deploy/off",
        ),
        Ok(()) => Finding::ok(
            WHAT,
            "the API server denies what it must, tried as a dry run",
        ),
        Err(Unguarded::NotByPolicy(_)) if observes => Finding::ok(
            WHAT,
            "the API server denies what it must, tried as a dry run; mode observe needs no more",
        ),
        Err(Unguarded::NotByPolicy(why)) => Finding::warning(
            WHAT,
            &why,
            "apply deploy/base/policy.yaml and deploy/base/rbac.yaml of this version, and let no webhook and no other policy deny the agent's own Pod a label: \
             the agent writes nothing before its own policy is seen to deny it",
        ),
        Err(Unguarded::Open(why)) if observes => Finding::warning(
            WHAT,
            &why,
            "install deploy/base/policy.yaml before you set another mode than observe",
        ),
        Err(Unguarded::Open(why)) => Finding::fault(
            WHAT,
            &why,
            "install deploy/base/policy.yaml: the agent does not start without it",
        ),
        Err(Unguarded::Unknown { why, .. }) => Finding::warning(
            WHAT,
            &format!("whether the API server holds the agent to its own node is not known: {why}"),
            "try again when the API server answers: the agent writes nothing before it does",
        ),
    }
}
