//! Gauges, brought up to date at each poll.

use super::parts::Agent;
use crate::judge::{BRAKES, Cause, NodeMode, Source};
use crate::metrics::{ByBrake, ByMode, BySource};
use crate::view;

/// Brings all gauges up to date.
pub(super) fn count(agent: &mut Agent) {
    let metrics = &agent.process.metrics;
    let stuck = view::stuck(&agent.judge);
    for cause in Cause::ALL {
        match stuck.get(&cause) {
            Some(pods) => _ = metrics.pods.stuck.get_or_create(&cause.into()).set(*pods),
            // A cause that was never seen has no series.
            None => {
                if let Some(gauge) = metrics.pods.stuck.get(&cause.into()) {
                    gauge.set(0);
                }
            }
        }
    }
    match agent.settings.config.registry_metrics {
        true => metrics
            .registries
            .show_stuck(&view::stuck_by_registry(&agent.judge)),
        false => metrics.registries.clear(),
    }
    let held = view::held(&agent.judge);
    for brake in BRAKES.map(|brake| brake.name) {
        let count = held.get(brake).copied().unwrap_or(0);
        let gauge = metrics.pods.held.get_or_create(&ByBrake { brake });
        gauge.set(amount(count));
    }
    metrics.pods.too_large.set(amount(agent.judge.too_large()));
    for mode in NodeMode::ALL {
        let in_force = agent.judge.policy().mode == mode;
        let mode = mode.as_str();
        let gauge = metrics.agent.mode.get_or_create(&ByMode { mode });
        gauge.set(in_force.into());
    }
    let now = agent.process.clock.now();
    let fleet = &agent.judge.brake().memory.fleet;
    let is_spent = fleet.spent(now).next().is_some();
    metrics.agent.fleet_spent.set(is_spent.into());
    let is_unusable = fleet.unusable(now).is_some();
    metrics.agent.fleet_unusable.set(is_unusable.into());
    let stop = agent.judge.brake().memory.stopped.last(now);
    let unguarded = stop.is_some_and(|stop| !stop.by_switch);
    metrics.agent.unguarded.set(unguarded.into());
    let is_off = stop.is_some_and(|stop| stop.by_switch);
    metrics.agent.writes_off.set(is_off.into());
    let unsettled = agent.poller.sandboxes.unsettled();
    metrics.sources.unsettled.set(amount(unsettled));
    let open = agent.sources.source();
    metrics.sources.evidence_open.set(open.is_some().into());
    metrics
        .sources
        .evidence_lost
        .set((!agent.sources.well).into());
    for source in Source::ALL {
        let is_open = open == Some(source);
        let source = source.as_str();
        let gauge = metrics
            .sources
            .evidence_source
            .get_or_create(&BySource { source });
        gauge.set(is_open.into());
    }
    agent.process.count_freed(now);
}

fn amount(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
