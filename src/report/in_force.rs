//! The policy in force, for reports that are under way.

use std::sync::Arc;

use tokio::sync::watch;

use super::conditions::Ours;
use super::refusal::Refusal;
use crate::judge::{Action, Ending, FailRequest, PodView, Policy, still_due};

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

    /// Ending of a report whose Pod must not be failed by the present policy. Asked before each write, because requests
    /// and waiting took time since the look.
    ///
    /// # Errors
    /// The action has changed since the try began, or the conditions that are wanted: it begins anew.
    pub(super) fn stops(
        &self,
        request: &FailRequest,
        view: &PodView,
        deletes: bool,
        wanted: Ours,
    ) -> Result<Option<Ending>, Refusal> {
        let policy = self.now();
        if (policy.action == Action::Delete) != deletes || Ours::wanted(request, &policy) != wanted
        {
            return Err(Refusal::Moved("the configuration has changed".to_owned()));
        }
        let due = still_due(request, &policy, view);
        Ok(due.err().map(|reason| Ending::spared(&reason)))
    }
}

impl From<Policy> for InForce {
    /// One that never changes.
    fn from(policy: Policy) -> Self {
        Self(watch::channel(Arc::new(policy)).1)
    }
}
