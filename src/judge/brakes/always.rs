//! Always: a controller replaces a failed Pod with `restartPolicy: Always` at once, so failing it
//! frees little.

use std::time::Duration;

use super::hold::{Brake, Context, Ends, Hold};
use crate::judge::RestartPolicy;

/// The brake. It asks for a longer minimum duration, twice as long after each verdict on the owner
/// and the image.
pub const BRAKE: Brake = Brake {
    name: "always",
    about: "The owner replaces these Pods at once. Each further Pod waits longer, up to an hour.",
    holds,
};

/// Minimum duration of the first verdict, from the first failure on.
const MINIMUM: Duration = Duration::from_secs(600);

/// Longest minimum duration.
const LONGEST: Duration = Duration::from_secs(3600);

fn holds(context: &Context<'_>) -> Option<Hold> {
    if context.view.restart_policy != RestartPolicy::Always {
        return None;
    }
    let verdicts = context.brakes.memory.verdicts(context.view, context.image);
    let minimum = MINIMUM.saturating_mul(2_u32.saturating_pow(verdicts));
    let left = minimum.min(LONGEST).saturating_sub(context.lasting);
    let hold = || BRAKE.hold("restartPolicy Always waits", Ends::After(left));
    (!left.is_zero()).then(hold)
}
