//! Fleet: the fleet budget had no place for a Pod, and cannot have one yet.
//!
//! A report finds that out. The brake remembers it, so that a thousand agents do not ask in vain.

use std::time::Duration;

use super::hold::{Brake, Context, Ends, Hold};
use crate::fleet::{About, Closed};
use crate::judge::{PodView, Reference};

/// The brake.
pub const BRAKE: Brake = Brake {
    name: "fleet",
    about: "All agents of the cluster together have failed as many Pods as the fleet budget \
        allows: of the cluster, a registry, a namespace or an owner. Or the ConfigMap of the fleet \
        budget cannot be used.",
    holds,
};

/// Returns the meaning of a Pod for the fleet budget. Its owner is the top of the chain, if the Pod
/// names one. A Pod without an owner is its own.
pub fn about(view: &PodView, image: &str) -> About {
    // The top's text begins with the namespace.
    let top = view.top.as_deref().and_then(|top| top.split_once('/'));
    let top = top.and_then(|(_, top)| top.split_once('/'));
    let owner = view.owner.as_ref();
    let owner = top.or_else(|| owner.map(|owner| (&*owner.kind, &*owner.name)));
    let owner = owner.unwrap_or(("Pod", &view.name));
    About::of(&view.namespace, owner, Reference::of(image).registry, image)
}

/// Returns the hold of a part that a report has just found closed.
pub(in crate::judge) fn hold(part: &Closed) -> Hold {
    let left = Duration::from_secs(part.seconds);
    BRAKE.hold(format!("{}: held for", part.why), Ends::After(left))
}

/// Returns the hold of the part that stays closed for longest. A Pod that repeats a failure which has
/// cost this node's budget a place costs the fleet none.
fn holds(context: &Context<'_>) -> Option<Hold> {
    let Context {
        brakes,
        view,
        image,
        now,
        ..
    } = *context;
    let about = about(view, image);
    let is_free = context.known_bad && brakes.paid(view, (image, context.cause), now);
    let shut = brakes
        .memory
        .fleet
        .shut(now)
        .filter(|shut| shut.part.scope.has(&about));
    let shut = shut.filter(|shut| !is_free || shut.part.limit.is_none());
    let longest = shut.max_by_key(|shut| shut.until)?;
    let left = longest.until.since(now);
    Some(BRAKE.hold(format!("{}: held for", longest.part.why), Ends::After(left)))
}
