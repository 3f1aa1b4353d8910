//! The last check of a Pod, right before the agent writes to it.

use super::fail_request::FailRequest;
use super::reason::Reason;
use crate::judge::brakes::{namespace, workflow};
use crate::judge::pod::waiting::Waiting;
use crate::judge::{Action, ContainerState, PodView, Policy};

/// Checks that a Pod, read afresh, is still the one that is to be failed, and still waits for the
/// image.
///
/// # Errors
/// The reason to skip the Pod.
pub fn still_due(request: &FailRequest, policy: &Policy, view: &PodView) -> Result<(), Reason> {
    if view.uid != request.pod.uid {
        return Err(Reason::Replaced);
    }
    let rules = policy.rules_for(view)?;
    if request.enforce && !rules.enforce() {
        return Err(Reason::NotEnforcedAnyMore);
    }
    if request.enforce && rules.namespace_unknown {
        return Err(Reason::Held(namespace::hold()));
    }
    if let Some(hold) = workflow::hold(policy.action == Action::Delete, view) {
        return Err(Reason::Held(hold));
    }
    let mut silent = false;
    for container in &view.containers {
        if container.image != request.image {
            continue;
        }
        if let ContainerState::Waiting { reason, .. } = &container.state {
            match Waiting::of(reason) {
                Waiting::Attempt | Waiting::BackOff | Waiting::Standing => return Ok(()),
                Waiting::Silent => silent = true,
                Waiting::Pulled => {}
            }
        }
    }
    let image = request.image.clone();
    Err(match silent {
        true => Reason::NoFailureYet { image },
        false => Reason::NotWaitingForImage { image },
    })
}
