//! What takes longer than CI may: outages of minutes and of an hour, under the defaults. Run by `cargo soak`.

use std::time::Duration;

use serde_json::Value;
use testbed::{Fault, Node, Stopwatch};

use crate::agent::{Agent, DEFAULT_BRAKES, Plan};
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, assert_untouched, phase};
use crate::shapes::{FAULTY, REGISTRY, container, pod};

const MINUTE: Duration = Duration::from_secs(60);

/// Longer than the kubelet's longest pause, several times.
const HEALS_WITHIN: u32 = 20;

fn minutes(begun: Stopwatch) -> f64 {
    begun.elapsed().as_secs_f64() / 60.0
}

async fn make(cluster: &Cluster, name: &str, image: &str) {
    cluster
        .create(pod(name, vec![container("main", image)]))
        .await;
}

/// Nobody is failed until it is so late.
async fn pass(cluster: &Cluster, begun: Stopwatch, until: Duration) {
    while begun.elapsed() < until {
        for pod in cluster.pods().await {
            assert_untouched(&pod);
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// All of them run in the end, untouched.
async fn run_in_the_end(cluster: &Cluster, names: &[String]) {
    let begun = Stopwatch::start();
    loop {
        let pods = cluster.pods().await;
        let runs = |name: &String| {
            let pod = pods
                .iter()
                .find(|pod| pod["metadata"]["name"] == **name)
                .unwrap();
            assert_untouched(pod);
            phase(pod) == "Running"
        };
        if names.iter().all(runs) {
            return;
        }
        assert!(begun.elapsed() < MINUTE * HEALS_WITHIN, "they do not run");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// What the agent counted, for the printed result.
fn failures(agent: &Agent, of: &str) -> u64 {
    let lines = agent.lines().into_iter();
    let counted = lines
        .filter(|l| l["kind"] == "verdict" && l["pod"].as_str().is_some_and(|p| p.starts_with(of)));
    counted
        .map(|line| line["failed"].as_array().map_or(0, Vec::len) as u64)
        .sum()
}

fn reports(agent: &Agent) -> Vec<Value> {
    agent.lines_of("report")
}

/// An outage of the whole registry for eight minutes with twenty Pods; images pushed after five; a pull of ten minutes.
#[test]
fn outages_of_minutes() {
    let bed = Bed::of(Group::Hours);
    let config = format!("mode: enforce\n{DEFAULT_BRAKES}");
    let agent = Plan::new(&bed.node, "own-hours", &config).start();
    bed.run("own-hours", |cluster| {
        let (node, agent) = (&bed.node, &agent);
        async move {
            let names = |kind: &str, count: usize| -> Vec<String> {
                (0..count).map(|index| format!("{kind}-{index}")).collect()
            };
            let (outage, late) = (names("outage", 20), names("late", 3));
            let slow = vec!["slow-0".to_owned()];
            for name in &outage {
                node.push_image(&format!("hours/{name}"), "1").unwrap();
                node.set_fault(&format!("hours/{name}"), Fault::Unavailable)
                    .unwrap();
                make(&cluster, name, &format!("{FAULTY}/hours/{name}:1")).await;
            }
            for name in &late {
                make(&cluster, name, &format!("{REGISTRY}/hours/{name}:1")).await;
            }
            node.push_large_image("hours/slow", "1", 4 << 20).unwrap();
            node.set_fault("hours/slow", Fault::Slow { seconds: 600 })
                .unwrap();
            make(&cluster, "slow-0", &format!("{FAULTY}/hours/slow:1")).await;

            let begun = Stopwatch::start();
            pass(&cluster, begun, MINUTE * 5).await;
            for name in &late {
                node.push_image(&format!("hours/{name}"), "1").unwrap();
            }
            pass(&cluster, begun, MINUTE * 8).await;
            for name in &outage {
                node.heal(&format!("hours/{name}")).unwrap();
            }
            for (what, names) in [("outage", outage), ("late", late), ("slow", slow)] {
                run_in_the_end(&cluster, &names).await;
                eprintln!(
                    "{what}: {} Pods run after {:.1} min, {} failures counted, 0 failed",
                    names.len(),
                    minutes(begun),
                    failures(agent, what)
                );
            }
        }
    });
    assert!(reports(&agent).is_empty(), "{:?}", reports(&agent));
}

/// Gives each repository its fault for so long, and then heals it.
async fn an_outage(
    node: &Node,
    cluster: &Cluster,
    agent: &Agent,
    kind: &str,
    host: &str,
    fault: Fault,
) {
    let names: Vec<String> = (0..4).map(|index| format!("{kind}-{index}")).collect();
    for name in &names {
        node.push_image(&format!("hour/{name}"), "1").unwrap();
        node.set_fault(&format!("hour/{name}"), fault).unwrap();
        make(cluster, name, &format!("{host}/hour/{name}:1")).await;
    }
    let begun = Stopwatch::start();
    pass(cluster, begun, MINUTE * 60).await;
    for name in &names {
        node.heal(&format!("hour/{name}")).unwrap();
    }
    run_in_the_end(cluster, &names).await;
    eprintln!(
        "{kind}: 4 Pods run after {:.1} min, {} failures counted, 0 failed",
        minutes(begun),
        failures(agent, kind)
    );
}

/// A registry that answers 404 to everything for an hour, and another that answers 401.
#[test]
fn an_hour_of_wrong_answers() {
    let bed = Bed::of(Group::Hour);
    let config = format!("mode: enforce\n{DEFAULT_BRAKES}");
    let agent = Plan::new(&bed.node, "own-hour", &config).start();
    bed.run("own-hour", |cluster| {
        let (node, agent) = (&bed.node, &agent);
        async move {
            // Two names of one server: two registries to the node, and nothing else is pulled from either here.
            let missing = an_outage(
                node,
                &cluster,
                agent,
                "missing",
                "localhost:5001",
                Fault::Missing,
            );
            let denied = an_outage(node, &cluster, agent, "denied", FAULTY, Fault::Denied);
            futures_util::future::join(missing, denied).await;
        }
    });
    assert!(reports(&agent).is_empty(), "{:?}", reports(&agent));
}

/// Thirty bad Pods and the budget's defaults: ten in ten minutes.
#[test]
fn thirty_bad_pods_and_the_default_budget() {
    let config = "mode: enforce\nimagePullFailureCount: 1\nwarmUp: 0s\nbudget: {}\n";
    let bed = Bed::of(Group::Hours);
    let agent = Plan::new(&bed.node, "own-budget", config).start();
    bed.run("own-budget", |cluster| {
        let agent = &agent;
        async move {
            let begun = Stopwatch::start();
            let image = format!("{REGISTRY}/budget/missing:1");
            for index in 0..30 {
                make(&cluster, &format!("bad-{index}"), &image).await;
            }
            let mut written = 0;
            while written < 30 {
                assert!(begun.elapsed() < MINUTE * 60, "{written} of 30 were failed");
                let now = agent.reports("written").len() as u64;
                if now > written {
                    eprintln!("budget: {now} of 30 failed after {:.1} min", minutes(begun));
                    let allowed = 10 * (1 + begun.elapsed().as_secs() / 600);
                    assert!(now <= allowed, "{now} were failed, {allowed} may be");
                    written = now;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            for index in 0..30 {
                let failed = cluster.until_failed(&format!("bad-{index}")).await;
                assert_failed_by_us(&failed, "ImageNotFound", &image);
            }
        }
    });
}
