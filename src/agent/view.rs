//! The agent's part of a view: the facts that nobody else knows.

use super::Agent;
use crate::view::{EvidenceState, Facts, GuardTried, View};

impl Agent {
    /// Gathers what `status` and `explain` show of the agent itself.
    pub(super) fn facts(&self) -> Facts {
        let source = self.sources.source();
        let evidence = match (source, self.sources.well) {
            (_, false) => EvidenceState::Lost,
            (None, true) => EvidenceState::Closed,
            (Some(_), true) => EvidenceState::Open,
        };
        let guard_tried = match self.workers.guard.is_known() {
            None => GuardTried::No,
            Some(false) => GuardTried::NotYet,
            Some(true) => GuardTried::Yes,
        };
        Facts {
            runtime: self.poller.well,
            polls: self.process.metrics.runtime_looks.get(),
            evidence,
            evidence_source: source,
            sandboxes: self.poller.sandboxes.uids().count(),
            unsettled: self.poller.sandboxes.unsettled(),
            configuration_refused: self.settings.refused.clone(),
            guard_tried,
            state_kept: self.keeper.is_well(),
            would_fail_then_started: self.tally.started_after_all,
        }
    }

    /// Returns a view of what is known now.
    pub(super) fn view<'a>(&'a self, facts: &'a Facts) -> View<'a> {
        View {
            judge: &self.judge,
            now: self.process.clock.now(),
            unrecognised: &self.tally.unrecognised,
            facts,
        }
    }
}
