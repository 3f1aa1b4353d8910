//! Denied write: the API server denied to fail the Pod, and would deny it again at once.

use super::hold::{Brake, Context, Ends, Hold};

/// The brake.
pub const BRAKE: Brake = Brake {
    name: "denied-write",
    about: "The API server denied the write about this Pod. The agent tries again after 5 \
        minutes, and after twice as long each time, up to an hour. `explain` has the API \
        server's words.",
    holds,
};

fn holds(context: &Context<'_>) -> Option<Hold> {
    let left = context.record.denied?.until?.since(context.now);
    let why = "the API server denied the last write: left alone for";
    (!left.is_zero()).then(|| BRAKE.hold(why, Ends::After(left)))
}
