//! The number of series that agents bring to a Prometheus, for docs/metrics.md.

use pullwarden::judge::{Because, Cause};
use pullwarden::metrics::{ByBecause, ByDecision, ByStep, Metrics};

use super::metrics::shown;
use crate::support::generated::assert_generated;
use crate::support::node::Node;

const NODES: usize = 3000;

/// Causes that a node in trouble has seen.
const CAUSES: usize = 5;

fn series(metrics: &Metrics) -> usize {
    let text = shown(metrics);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.count()
}

/// Adds the series that failed pulls and failed Pods bring.
fn fill(metrics: &Metrics) {
    let Metrics { pods, writes, .. } = metrics;
    for cause in Cause::ALL.into_iter().rev().take(CAUSES) {
        let cause = cause.into();
        for family in [&pods.failures, &pods.due, &writes.failed] {
            family.get_or_create(&cause).inc();
        }
        pods.stuck.get_or_create(&cause).inc();
    }
    for decision in ["settle", "wait", "hold", "condemn"] {
        pods.verdicts.get_or_create(&ByDecision { decision }).inc();
    }
    for because in Because::ALL.map(Because::as_str) {
        pods.started.get_or_create(&ByBecause { because }).inc();
    }
    let steps = [
        "look",
        "dry-run",
        "condition",
        "deadline",
        "delete",
        "take-back",
        "fleet-read",
        "fleet-enter",
        "event",
        "owner-event",
    ];
    for step in steps {
        for result in ["ok", "error"] {
            let by = ByStep { step, result };
            writes.requests.get_or_create(&by).inc();
        }
    }
}

/// A number with a comma before each three digits.
fn grouped(number: usize) -> String {
    match (number / 1000, number % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{},{rest:03}", grouped(thousands)),
    }
}

#[tokio::test]
async fn the_page_has_the_number_of_series() {
    let node = Node::counting_to(1).await;
    let agent = node.agent();
    node.turns(3).await;
    let quiet = series(&agent.metrics);
    fill(&agent.metrics);
    let full = series(&agent.metrics);
    let names: Vec<String> = (0..20).map(|nth| format!("r{nth}.test")).collect();
    let stuck = names.iter().map(|name| (&**name, 1)).collect();
    agent.metrics.registries.show_stuck(&stuck);
    let registries = 2 * (series(&agent.metrics) - full);
    let rows = [
        ("a node on which nothing has failed".to_owned(), quiet),
        (
            format!("a node that has seen {CAUSES} causes and every request"),
            full,
        ),
        (
            "the most that `registryMetrics: on` adds to a node".to_owned(),
            registries,
        ),
    ];
    let rows = rows.map(|(what, number)| {
        let (number, all) = (grouped(number), grouped(number * NODES));
        format!("| {what} | {number} | {all} |\n")
    });
    let table = format!(
        "| | series | at {} nodes |\n|---|---|---|\n",
        grouped(NODES)
    );
    let marks = [
        "<!-- The number of series begins. -->\n",
        "<!-- The number of series ends. -->",
    ];
    assert_generated("docs/metrics.md", marks, &(table + &rows.concat()));
}
