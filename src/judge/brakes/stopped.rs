//! Stopped: the agent may write to no Pod at present, because the kill switch is on or no dry run
//! proves the admission policy.

use super::hold::{Brake, Context, Ends, Hold};
use super::stopped_memory::Stop;
use crate::judge::Moment;

/// The brake.
pub const BRAKE: Brake = Brake {
    name: "stopped",
    about: "The agent writes to no Pod: the kill switch is on (`deploy/off`), or no dry run shows \
        that the admission policy limits the agent to its node. It tries again at the first \
        failure after a minute.",
    holds,
};

/// Returns the hold of a Pod that meets this stop; `None` once a failure may be reported again.
pub(in crate::judge) fn hold(stop: &Stop, now: Moment) -> Option<Hold> {
    let left = stop.until.since(now);
    let hold = || BRAKE.hold(format!("{}: held for", stop.why), Ends::After(left));
    (!left.is_zero()).then(hold)
}

fn holds(context: &Context<'_>) -> Option<Hold> {
    hold(context.brakes.memory.stopped.latest()?, context.now)
}
