//! Workflow: Argo makes a deleted Pod of a Workflow again and does not count it, so `action: delete`
//! would delete the same Pod for ever.

use super::hold::{Brake, Context, Ends, Hold};
use crate::judge::PodView;

/// The brake.
pub const BRAKE: Brake = Brake {
    name: "workflow",
    about: "The agent deletes Pods (`action: delete`), and a Workflow makes this Pod again, \
        without end. Only `action: fail` ends such a Pod.",
    holds,
};

/// Kind of the controller, Argo's.
const WORKFLOW: &str = "Workflow";

fn holds(context: &Context<'_>) -> Option<Hold> {
    hold(context.deletes, context.view)
}

/// Returns the hold, for the last check before a write too: the action may have changed since.
pub fn hold(deletes: bool, view: &PodView) -> Option<Hold> {
    let owner = view.owner.as_ref();
    let is_made_again = owner.is_some_and(|owner| owner.kind == WORKFLOW);
    let why = "a Workflow would make the deleted Pod again without end: set action: fail";
    (deletes && is_made_again).then(|| BRAKE.hold(why, Ends::WithSettings))
}
