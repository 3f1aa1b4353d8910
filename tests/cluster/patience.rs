//! Faults that heal, in real time, under the default thresholds and brakes: nobody is failed.

use testbed::{Case, Component};

use crate::agent::{DEFAULT_BRAKES, Plan};
use crate::bed::{Bed, Group};
use crate::cluster::{assert_untouched, phase};

/// Every cause that a registry can show, and heal from.
const CASES: [&str; 12] = [
    "missing-tag",
    "missing-layer",
    "other-platform",
    "forbidden",
    "basic-challenge",
    "token-500",
    "garbage-manifest",
    "wrong-layer",
    "status-503",
    "too-many",
    "html",
    "reset",
];

#[test]
fn what_heals_after_some_failures_runs_though_kubelet_and_runtime_are_restarted() {
    let bed = Bed::of(Group::Patience);
    let config = format!("mode: enforce\n{DEFAULT_BRAKES}");
    let agent = Plan::new(&bed.node, "own-patience", &config).start();
    bed.run("own-patience", |cluster| {
        let (node, agent) = (&bed.node, &agent);
        async move {
            let cases = CASES.map(|name| Case::by_name(name).unwrap());
            for case in cases {
                let image = case.prepare(node).unwrap();
                cluster.create(case.pod(&image)).await;
            }
            let failures = |wanted: u64| {
                move || async move {
                    let all = cases
                        .iter()
                        .all(|case| agent.failures(case.name()) >= wanted);
                    all.then_some(())
                }
            };
            cluster.until("two failures of each", failures(2)).await;
            // The back-off is lost: the next pulls come at once, and again from the shortest pause on.
            node.restart_component(Component::Kubelet).unwrap();
            cluster.until("three failures of each", failures(3)).await;
            node.restart_component(Component::Runtime).unwrap();
            cluster.until("four failures of each", failures(4)).await;
            for case in cases {
                assert!(case.heal(node).unwrap(), "{} can heal", case.name());
            }
            for case in cases {
                let name = case.name();
                let running = || async {
                    let pod = cluster.pod(name).await?;
                    assert_ne!(phase(&pod), "Failed", "{name} was failed");
                    (phase(&pod) == "Running").then_some(pod)
                };
                assert_untouched(&cluster.until(&format!("{name} to run"), running).await);
            }
        }
    });
    for ending in ["written", "due", "spared", "failed"] {
        assert!(
            agent.reports(ending).is_empty(),
            "{:?}",
            agent.reports(ending)
        );
    }
}
