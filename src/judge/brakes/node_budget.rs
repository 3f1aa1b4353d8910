//! Node budget: the agent has failed as many Pods of the node lately as it may.

use super::hold::{Brake, Context, Ends, Hold};
use crate::judge::seconds::seconds;

/// The brake.
pub const BRAKE: Brake = Brake {
    name: "node-budget",
    about: "Somebody makes bad Pods faster than the budget of the node allows to fail them.",
    holds,
};

/// Returns the hold. A Pod that costs the budget nothing is not held.
pub(super) fn holds(context: &Context<'_>) -> Option<Hold> {
    let budget = context.brakes.rules.budget;
    let spent = context.brakes.spent(context.now);
    let is_spent = u32::try_from(spent).is_ok_and(|n| n >= budget.pods);
    let is_free = context.known_bad
        && context
            .brakes
            .paid(context.view, (context.image, context.cause), context.now);
    let why = || {
        let per = seconds(&budget.per);
        format!(
            "the node's budget of {} Pods per {per} is spent",
            budget.pods
        )
    };
    (is_spent && !is_free).then(|| BRAKE.hold(why(), Ends::WithRoom(budget.per)))
}
