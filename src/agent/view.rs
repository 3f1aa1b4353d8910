//! The agent's part of a view: the facts that nobody else knows.

use super::Agent;
use crate::view::{EvidenceState, Facts, GuardTried, View};

impl Agent {
    /// Gathers what `status` and `explain` show of the agent itself.
    pub(super) fn facts(&self) -> Facts {
        let evidence = match (&self.evidence, self.evidence_well) {
            (_, false) => EvidenceState::Lost,
            (None, true) => EvidenceState::Closed,
            (Some(_), true) => EvidenceState::Open,
        };
        let guard_tried = match self.guard.is_known() {
            None => GuardTried::No,
            Some(false) => GuardTried::NotYet,
            Some(true) => GuardTried::Yes,
        };
        Facts {
            runtime: self.runtime_well,
            polls: self.metrics.runtime_looks.get(),
            evidence,
            evidence_source: self.evidence.as_ref().map(|open| open.source),
            sandboxes: self.sandboxes.uids().count(),
            unsettled: self.sandboxes.unsettled(),
            configuration_refused: self.refused.clone(),
            guard_tried,
            state_kept: self.state.is_well(),
            would_fail_then_started: self.wrong,
        }
    }

    /// Returns a view of what is known now.
    pub(super) fn view<'a>(&'a self, facts: &'a Facts) -> View<'a> {
        View {
            docket: &self.docket,
            policy: &self.config.policy,
            now: self.clock.now(),
            unrecognised: &self.unrecognised,
            facts,
        }
    }
}
