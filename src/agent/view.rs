//! The agent's part of a view: the facts that nobody else knows.

use super::Agent;
use crate::view::{Facts, View};

impl Agent {
    /// Gathers what `status` and `explain` show of the agent itself.
    pub(super) fn facts(&self) -> Facts {
        let evidence = match (&self.evidence, self.evidence_well) {
            (_, false) => "lost",
            (None, true) => "closed",
            (Some(_), true) => "open",
        };
        let open = self.evidence.as_ref();
        Facts {
            runtime: self.runtime_well,
            polls: self.metrics.runtime_looks.get(),
            evidence: evidence.to_owned(),
            evidence_source: open.map_or(String::new(), |open| open.source.as_str().to_owned()),
            sandboxes: self.sandboxes.uids().count(),
            unsettled: self.sandboxes.unsettled(),
            configuration_refused: self.refused.clone(),
            guard_tried: self.guard.is_known(),
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
