//! Owner budget: the agent has failed as many Pods of one owner lately as it may.

use super::hold::{Brake, Context, Ends, Hold};
use super::node_budget;
use crate::judge::seconds::seconds;

/// The brake.
pub const BRAKE: Brake = Brake {
    name: "owner-budget",
    about: "One owner makes bad Pods faster than its budget allows to fail them. Pods that fail for \
        the same image and cause count as one.",
    holds,
};

fn holds(context: &Context<'_>) -> Option<Hold> {
    let budget = context.brakes.rules.budget;
    let spent =
        context
            .brakes
            .spent_on_owner_of(context.view, (context.image, context.cause), context.now);
    let is_spent = u32::try_from(spent).is_ok_and(|n| n >= budget.per_owner);
    // One budget is enough to name.
    if !is_spent || node_budget::holds(context).is_some() {
        return None;
    }
    let why = format!(
        "the owner's budget of {} Pods per {} is spent",
        budget.per_owner,
        seconds(&budget.per)
    );
    Some(BRAKE.hold(why, Ends::WithRoom(budget.per)))
}
