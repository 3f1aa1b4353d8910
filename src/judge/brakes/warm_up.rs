//! Warm-up: after its first start on a boot the agent only watches for a while.

use super::hold::{Brake, Context, Ends, Hold};

/// The brake.
pub const BRAKE: Brake = Brake {
    name: "warm-up",
    about: "After its first start on a boot the agent only watches, for ten minutes unless a longer \
        time is configured.",
    holds,
};

fn holds(context: &Context<'_>) -> Option<Hold> {
    let left = context.brakes.warm_up_until.since(context.now);
    let hold = || BRAKE.hold("warming up for", Ends::After(left));
    (!left.is_zero()).then(hold)
}
