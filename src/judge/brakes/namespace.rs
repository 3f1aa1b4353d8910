//! Namespace: a rule selects namespaces by labels, and the labels of this one are not known yet.

use super::hold::{Brake, Context, Ends, Hold};

/// The brake.
pub const BRAKE: Brake = Brake {
    name: "namespace",
    about: "The API server does not report the namespace's labels, and a rule of \
        `scope.namespaces` needs them.",
    holds,
};

fn holds(context: &Context<'_>) -> Option<Hold> {
    context.labels_unknown.then(hold)
}

/// Returns the hold, for the last check before a write too.
pub fn hold() -> Hold {
    let why = "the configuration goes by the namespace's labels, which are not known yet";
    BRAKE.hold(why, Ends::WithLabels)
}
