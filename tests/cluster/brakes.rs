use serde_json::Value;

use crate::agent::{Agent, Plan};
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, phase};
use crate::shapes::{FAULTY, container, pod};

/// The reasons for which Pods are held at present.
fn held(agent: &Agent) -> Vec<String> {
    let status = agent.status().unwrap_or_default();
    let pods = status["pods"].as_array().cloned().unwrap_or_default();
    let held = pods.iter().filter(|pod| pod["decision"] == "hold");
    let reasons = held.filter_map(|pod| pod["reasons"].as_array()?.last().cloned());
    reasons
        .filter_map(|reason| reason["text"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn thirty_bad_pods_and_a_budget_of_ten() {
    let config = "mode: enforce\nimagePullFailureCount: 1\nwarmUp: 0s\nbudget: {pods: 10, perOwner: 3, per: 60s}\n";
    let bed = Bed::of(Group::Brakes);
    let agent = Plan::new(&bed.node, "own-budget", config).start();
    bed.run("own-budget", |cluster| async move {
        let image = format!("{FAULTY}/budget/missing:1");
        for index in 0..30 {
            let containers = vec![container("main", &image)];
            cluster
                .create(pod(&format!("bad-{index}"), containers))
                .await;
        }
        for index in 0..30 {
            let failed = cluster.until_failed(&format!("bad-{index}")).await;
            assert_failed_by_us(&failed, "ImageNotFound", &image);
        }
    });
    // Counted by the boot clock at the verdicts: never more than ten in a minute.
    let lines = agent.lines();
    let requests = lines.iter().filter(|line| line["decision"] == "condemn");
    let seconds = |line: &Value| line["at"]["secs"].as_u64().unwrap();
    let times: Vec<u64> = requests.map(seconds).collect();
    assert_eq!(times.len(), 30);
    for window in times.windows(11) {
        assert!(window[10] - window[0] >= 59, "{times:?}");
    }
    // And each at a failure that had just been reported.
    let requests = lines.iter().filter(|line| line["decision"] == "condemn");
    for line in requests {
        assert_eq!(line["failed"].as_array().map(Vec::len), Some(1), "{line}");
    }
    // A first failure fails its Pod exactly if fewer than ten were failed in the minute before.
    for index in 0..30 {
        let of = |line: &&Value| line["pod"] == format!("bad-{index}");
        let decides = |line: &&Value| line["decision"] == "condemn" || line["decision"] == "hold";
        let first = lines.iter().filter(of).find(decides).unwrap();
        let at = seconds(first);
        let before = lines.iter().take_while(|line| *line != first);
        let before = before.filter(|line| line["decision"] == "condemn");
        let spent = |within: u64| {
            before
                .clone()
                .filter(move |line| at < seconds(line) + within)
        };
        if first["decision"] == "condemn" {
            assert!(spent(59).count() < 10, "{first}");
        } else {
            assert!(spent(61).count() >= 10, "{first}");
        }
    }
}

async fn until_running(cluster: &Cluster, name: &str) {
    let running = || async { (phase(&cluster.pod(name).await?) == "Running").then_some(()) };
    cluster.until(&format!("{name} to run"), running).await;
}

#[test]
pub fn a_registry_in_trouble_holds_until_something_is_pulled_from_it() {
    let config = "mode: enforce\nimagePullFailureCount: 3\nwarmUp: 0s\nregistryBrake: {}\n";
    let bed = Bed::of(Group::Brakes);
    let agent = Plan::new(&bed.node, "own-registry", config).start();
    bed.run("own-registry", |cluster| {
        let (node, agent) = (&bed.node, &agent);
        async move {
            // The same registry under a name of its own, so that other tests' pulls say nothing about it.
            let image = |name: &str| format!("localhost:5001/registry/{name}:1");
            for name in ["a", "b", "c"] {
                cluster
                    .create(pod(name, vec![container("main", &image(name))]))
                    .await;
            }
            let all = || async {
                let held = held(agent);
                let by =
                    |reason: &&String| reason.contains("3 repositories of localhost:5001 fail");
                (held.iter().filter(by).count() == 3).then_some(())
            };
            cluster.until("all to be held", all).await;
            let explained = agent.explain("own-registry/a");
            assert_eq!(explained["decision"], "hold");
            assert!(
                explained["next"][0]["text"]
                    .as_str()
                    .unwrap()
                    .contains("the next failed pull"),
                "{explained}"
            );
            assert!(agent.reports("written").is_empty());

            node.push_image("registry/good", "1").unwrap();
            cluster
                .create(pod("good", vec![container("main", &image("good"))]))
                .await;
            until_running(&cluster, "good").await;
            for name in ["a", "b", "c"] {
                let failed = cluster.until_failed(name).await;
                assert_failed_by_us(&failed, "ImageNotFound", &image(name));
                assert!(agent.failures_logged(name) >= 4, "held at the third");
            }
        }
    });
}
