//! Namespace: rules use the labels or annotations of namespaces, and this one is not known yet.

use super::hold::{Brake, Context, Ends, Hold};

/// The brake.
pub const BRAKE: Brake = Brake {
    name: "namespace",
    about: "The API server does not report the namespace, and a rule of `scope.namespaces` needs its \
        labels, or `scope.namespaceAnnotations` its annotations.",
    holds,
};

fn holds(context: &Context<'_>) -> Option<Hold> {
    context.namespace_unknown.then(hold)
}

/// Returns the hold, for the last check before a write too.
pub fn hold() -> Hold {
    let why =
        "the configuration needs the namespace's labels or annotations, which are not known yet";
    BRAKE.hold(why, Ends::WithNamespace)
}
