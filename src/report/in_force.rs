//! The policy in force, for reports that are under way.

use std::sync::Arc;

use tokio::sync::watch;

use crate::judge::Policy;

/// The policy by which a report goes: the one that is in force when it looks, not when the report began.
#[derive(Clone, Debug)]
pub struct InForce(watch::Receiver<Arc<Policy>>);

impl InForce {
    /// Follows the policies that are sent here.
    pub fn of(sender: &watch::Sender<Arc<Policy>>) -> Self {
        Self(sender.subscribe())
    }

    /// The policy at this moment.
    pub fn now(&self) -> Arc<Policy> {
        self.0.borrow().clone()
    }
}

impl From<Policy> for InForce {
    /// One that never changes.
    fn from(policy: Policy) -> Self {
        Self(watch::channel(Arc::new(policy)).1)
    }
}
