//! The agent's part of a view: the facts that nobody else knows.

use super::parts::Agent;
use crate::view::{EvidenceState, Facts, GuardTried, View};

/// Gathers the facts about the agent itself that `status` and `explain` show.
pub(super) fn facts(agent: &Agent) -> Facts {
    let source = agent.sources.source();
    let evidence = match (source, agent.sources.well) {
        (_, false) => EvidenceState::Lost,
        (None, true) => EvidenceState::Closed,
        (Some(_), true) => EvidenceState::Open,
    };
    let guard_tried = match agent.workers.guard.is_known() {
        None => GuardTried::No,
        Some(false) => GuardTried::NotYet,
        Some(true) => GuardTried::Yes,
    };
    Facts {
        runtime: agent.poller.well,
        polls: agent.process.metrics.sources.polls.get(),
        evidence,
        evidence_source: source,
        sandboxes: agent.poller.sandboxes.uids().count(),
        unsettled: agent.poller.sandboxes.unsettled(),
        configuration_refused: agent.settings.refused.clone(),
        guard_tried,
        state_kept: agent.keeper.is_well(),
        would_fail_then_started: agent.tally.started_after_all,
    }
}

/// Returns a view of what is known now.
pub(super) fn of<'a>(agent: &'a Agent, facts: &'a Facts) -> View<'a> {
    View {
        judge: &agent.judge,
        now: agent.process.clock.now(),
        unrecognised: &agent.tally.unrecognised,
        facts,
    }
}
