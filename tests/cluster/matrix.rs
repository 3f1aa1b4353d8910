//! Every way to fail that the testbed knows, on one node: what an observing agent counts, and that it heals.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::{Case, Node, Stopwatch};

use crate::agent::{Agent, Plan};
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, LONG, phase, waiting_reasons};

const OBSERVE: &str = "mode: observe\nimagePullFailureCount: 3\nwarmUp: 0s\n";
/// How many times each Pod that fails is to fail.
const ATTEMPTS: usize = 3;

/// One case, and how it goes.
struct Row {
    case: Case,
    image: String,
    /// When its last awaited attempt had failed.
    failed_after: Option<Duration>,
    /// It runs, or nothing is ever pulled: there is nothing to wait for.
    is_idle: bool,
}

/// What the agent says of a row.
struct Counted {
    failures: u64,
    cause: String,
    class: String,
    verdict: String,
}

impl Row {
    /// Looks after it; whether all has happened that is waited for.
    async fn is_over(&mut self, node: &Node, cluster: &Cluster, begun: Stopwatch) -> bool {
        if self.case.is_slow(node.plan().runtime) || self.is_idle || self.failed_after.is_some() {
            return true;
        }
        // With each password an attempt is another pull.
        let wanted = ATTEMPTS * self.case.passwords().max(1);
        if node.pulls(&self.image).unwrap().errors.len() >= wanted {
            self.failed_after = Some(begun.elapsed());
        } else if let Some(pod) = cluster.pod(self.case.name()).await {
            let reasons = waiting_reasons(&pod);
            let is_refused = self.case.is_refused_by_name()
                && (reasons == ["InvalidImageName"] || reasons == ["ImageInspectError"]);
            self.is_idle = is_refused || phase(&pod) == "Running";
        }
        self.failed_after.is_some() || self.is_idle
    }

    fn counted(&self, agent: &Agent) -> Counted {
        let status = agent.status().unwrap_or_default();
        let pods = status["pods"].as_array().cloned().unwrap_or_default();
        let entry = pods.into_iter().find(|pod| pod["pod"] == self.case.name());
        let entry = entry.unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let due = agent.reports("due");
        let would_fail = due.iter().any(|report| report["pod"] == self.case.name());
        Counted {
            failures: entry["failures"].as_u64().unwrap_or_default(),
            cause: text(&entry["cause"]),
            class: text(&entry["class"]),
            verdict: match would_fail {
                true => "would fail".to_owned(),
                false => text(&entry["decision"]),
            },
        }
    }
}

/// Makes a Pod for each case, and waits until each that fails has failed often enough.
async fn observe(node: &Node, cluster: &Cluster, cases: &[Case]) -> Vec<Row> {
    let mut rows = Vec::new();
    let begun = Stopwatch::start();
    for case in cases {
        let image = case.prepare(node).unwrap();
        cluster.create(case.pod(&image)).await;
        rows.push(Row {
            case: *case,
            image,
            failed_after: None,
            is_idle: false,
        });
    }
    loop {
        let mut waiting = Vec::new();
        for row in &mut rows {
            if !row.is_over(node, cluster, begun).await {
                waiting.push(row.case.name());
            }
        }
        if waiting.is_empty() {
            return rows;
        }
        assert!(begun.elapsed() < *LONG, "waited in vain for {waiting:?}");
        // A look reads the runtime's log from its beginning, for each.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

#[test]
pub fn no_more_failures_are_counted_than_pulls_were_made_and_healed_images_run() {
    let bed = Bed::of(Group::Matrix);
    let agent = Plan::new(&bed.node, "own-matrix", OBSERVE).start();
    bed.run("own-matrix", |cluster| {
        let (node, agent) = (&bed.node, &agent);
        async move {
            for secret in Case::secrets() {
                cluster.create(secret).await;
            }
            let is_alone = |case: &Case| case.needs_the_node();
            let (alone, together): (Vec<Case>, Vec<Case>) =
                Case::of(node.plan().runtime).partition(|case| is_alone(case));
            let mut rows = observe(node, &cluster, &together).await;
            rows.extend(observe(node, &cluster, &alone).await);
            for row in rows.iter().filter(|row| row.failed_after.is_some()) {
                let what = format!("a failure of {} to be counted", row.case.name());
                let once = || async { (row.counted(agent).failures >= 1).then_some(()) };
                cluster.until(&what, once).await;
            }

            eprintln!(
                "\n{:<26} {:<20} {:<10} {:>7} {:>5}  {:<10} {:>8}",
                "case", "cause", "class", "counted", "made", "verdict", "failed"
            );
            let mut wrong = Vec::new();
            let mut lines = Vec::new();
            for row in &rows {
                // In this order: what is counted now was made before.
                let counted = row.counted(agent);
                let made = node.pulls(&row.image).unwrap().begun;
                let name = row.case.name();
                let failed = row.failed_after.map_or("-".to_owned(), |time| {
                    format!("{ATTEMPTS}x {:>3.0} s", time.as_secs_f64())
                });
                eprintln!(
                    "{name:<26} {:<20} {:<10} {:>7} {made:>5}  {:<10} {failed:>8}",
                    counted.cause, counted.class, counted.failures, counted.verdict
                );
                if counted.failures > made as u64 {
                    wrong.push(format!("{name}: {} of {made}", counted.failures));
                }
                let line = json!({"case": name, "counted": counted.failures, "made": made});
                lines.push(format!("{line}\n"));
            }
            assert!(wrong.is_empty(), "counted more than was made: {wrong:?}");
            if let Some(file) = testbed::variable(testbed::COUNTED) {
                lines.sort();
                std::fs::write(file, lines.concat()).unwrap();
            }

            let failing = rows.iter().filter(|row| row.failed_after.is_some());
            let healed: Vec<_> = failing.filter(|row| row.case.heal(node).unwrap()).collect();
            let healing: BTreeSet<&str> = healed.iter().map(|row| row.case.name()).collect();
            for row in healed {
                let name = row.case.name();
                let running = || async {
                    let pod = cluster.pod(name).await?;
                    (phase(&pod) == "Running").then_some(())
                };
                cluster.until(&format!("{name} to run"), running).await;
                let forgotten = || async { (row.counted(agent).failures == 0).then_some(()) };
                cluster
                    .until(&format!("{name} to be forgotten"), forgotten)
                    .await;
            }
            // Those of them that would have been failed by then, with a count of three, are told of.
            let begun = Stopwatch::start();
            loop {
                let due = pods_of(&agent.reports("due"));
                let due: BTreeSet<_> = due
                    .into_iter()
                    .filter(|pod| healing.contains(&**pod))
                    .collect();
                let told = pods_of(&agent.lines_of("would-fail-then-started"));
                if due == told {
                    break;
                }
                assert!(begun.elapsed() < *LONG, "due: {due:?}, told: {told:?}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    });
}

/// The Pods that lines of the node's log are about.
fn pods_of(lines: &[Value]) -> BTreeSet<String> {
    let pods = lines.iter().filter_map(|line| line["pod"].as_str());
    pods.map(str::to_owned).collect()
}
