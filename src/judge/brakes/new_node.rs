//! New node: the registry refuses, and no pull from it has worked since the node started. The
//! node's credentials may be at fault.

use super::hold::{Brake, Context, Ends, Hold};
use super::registry;
use crate::judge::{Class, Reference};
use crate::text::Shown;

/// The brake.
pub const BRAKE: Brake = Brake {
    name: "new-node",
    about: "The registry refuses, and nothing was pulled from it since boot. Most likely the \
        node's credentials are at fault.",
    holds,
};

fn holds(context: &Context<'_>) -> Option<Hold> {
    let brakes = context.brakes;
    let worked = || brakes.memory.registries.worked_since_boot(context.image);
    let is_refusal = context.record.standing.is_none() && context.cause.class() == Class::Denied;
    // The registry's brake says the same and more.
    if !is_refusal || (!context.record.new && worked()) || registry::holds(context).is_some() {
        return None;
    }
    let left = registry::left_of(brakes.rules.new_node, context)?;
    let why = format!(
        "nothing was pulled from {} since the node was started: held",
        Shown(Reference::of(context.image).registry)
    );
    Some(BRAKE.hold(why, Ends::WithPull(Some(left))))
}
