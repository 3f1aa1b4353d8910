//! Denied write: the API server denied to fail the Pod, and would deny it again at once.

use super::hold::{Brake, Context, Ends, Hold};

/// The brake.
pub const BRAKE: Brake = Brake {
    name: "denied-write",
    holds,
};

fn holds(context: &Context<'_>) -> Option<Hold> {
    let left = context.record.denied?.until?.since(context.now);
    let why = "the API server denied the last write: left alone for";
    (!left.is_zero()).then(|| BRAKE.hold(why, Ends::After(left)))
}
