//! Conditions of the first write to a Pod: the guard's proof, and a token of the fleet budget.

use kube::Client;

use super::account::Trace;
use super::fleet::{Fleet, FleetObject};
use super::guard::Guard;
use crate::judge::{Ending, FailRequest, PodView, Policy};

/// Things that the reports of an agent need before they write.
#[derive(Debug)]
pub struct Permits {
    guard: Guard,
    fleet: FleetObject,
}

impl Permits {
    /// Permits of the agent with this guard.
    pub fn of(guard: Guard) -> Self {
        let fleet = FleetObject::in_namespace(guard.namespace());
        Self { guard, fleet }
    }
}

/// Permit of one report.
pub(super) struct Permit<'a> {
    client: &'a Client,
    guard: &'a Guard,
    fleet: Fleet<'a>,
}

impl<'a> Permit<'a> {
    /// Nothing was asked for yet.
    pub(super) const fn of(client: &'a Client, permits: &'a Permits) -> Self {
        Self {
            client,
            guard: &permits.guard,
            fleet: Fleet::of(client, &permits.fleet),
        }
    }

    /// Makes the guard's proof, unless there is a recent one.
    ///
    /// # Errors
    /// The end of the report, if nothing may be written.
    pub(super) async fn prove(&self) -> Result<(), Ending> {
        let proved = self.guard.make_sure(self.client).await;
        proved.map_err(super::Unguarded::ending)
    }

    /// Returns whether the proof still lets a write be made.
    pub(super) fn holds(&self) -> bool {
        self.guard.holds()
    }

    /// Drops the proof if the report ended with a denial of all writes. The next one then begins with a
    /// dry run, which costs the fleet budget no token.
    pub(super) fn ended(&self, ending: &Ending) {
        if ending.outcome.stops_all() {
            self.guard.forget();
        }
    }

    /// Enters the Pod's token, once for each report.
    ///
    /// # Errors
    /// The end of the report, if there is no place for the Pod.
    pub(super) async fn enter(
        &mut self,
        request: &FailRequest,
        policy: &Policy,
        view: &PodView,
        trace: &mut Vec<Trace>,
    ) -> Result<(), Ending> {
        let entered = self.fleet.enter(request, policy, view).await;
        trace.append(&mut self.fleet.trace());
        entered
    }
}
