//! Registry: so many of its repositories fail, and no pull works, that the fault is the registry's.

use std::time::Duration;

use super::hold::{Brake, Context, Ends, Hold};
use crate::judge::Reference;
use crate::text::Shown;

/// The brake.
pub const BRAKE: Brake = Brake {
    name: "registry",
    about: "Repositories of one registry fail, and nothing is pulled from it. The registry \
        is at fault, or a credential that all of them share.",
    holds,
};

/// Returns the hold. Without an attempt to pull, as for a standing reason, the registry is not at
/// fault.
pub(super) fn holds(context: &Context<'_>) -> Option<Hold> {
    if context.record.standing.is_some() {
        return None;
    }
    let (rules, registries) = (
        &context.brakes.rules.registry,
        &context.brakes.memory.registries,
    );
    let left = match rules.limit(context.cause.class()) {
        Some(at_most) => Some(left_of(at_most, context)?),
        None => None,
    };
    // A registry that worked before this image failed may have stopped then. One that works since
    // the last failure was reported may have begun to work while that failure's pull was under way.
    let pulled = context.record.pulled;
    let pulled = pulled.filter(|at| context.now.since(*at) <= context.lasting);
    let failing = registries.trouble(context.image, rules, pulled, context.now)?;
    let registry = Reference::of(context.image).registry;
    let why = format!(
        "{failing} repositories of {} fail and nothing is pulled from it: held",
        Shown(registry)
    );
    Some(BRAKE.hold(why, Ends::WithPull(left)))
}

/// Returns the rest of the longest time that a brake of the registry may hold the image; `None` if
/// it is over.
pub(super) fn left_of(at_most: Duration, context: &Context<'_>) -> Option<Duration> {
    let since = |held| context.now.since(held);
    let held = context.record.held.map_or(Duration::ZERO, since);
    at_most.checked_sub(held).filter(|left| !left.is_zero())
}
