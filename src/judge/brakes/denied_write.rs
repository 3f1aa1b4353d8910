//! Denied write: the API server denied to fail the Pod, and would deny it again at once.

use super::hold::{Brake, Context, Ends, Hold};

/// The brake.
pub const BRAKE: Brake = Brake {
    name: "denied-write",
    about: "The API server denied the write about this Pod. The agent tries again after 5 \
        minutes, and after twice as long each time, up to an hour. It begins anew if another \
        plugin refuses, or the settings change. `status` and `explain` name the admission plugin, \
        if the API server does.",
    holds,
};

fn holds(context: &Context<'_>) -> Option<Hold> {
    let denied = context.record.denied.as_ref()?;
    let left = denied.until?.since(context.now);
    let why = denied.refusal.as_deref();
    let why = why.unwrap_or("the API server denied the last write");
    let why = format!("{why}: left alone for");
    (!left.is_zero()).then(|| BRAKE.hold(why, Ends::After(left)))
}
