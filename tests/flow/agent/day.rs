//! What a node costs that is full of Pods, some of them stuck and some hostile: requests to the runtime, lines, writes and bytes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::node::Node;
use crate::support::pod::{NOT_FOUND, Pod, back_off};

/// Pods that run.
const HEALTHY: usize = 78;

/// Pods that are judged and never failed.
const STUCK: usize = 20;

/// Pods that are not in scope, and stuck.
const OUT_OF_SCOPE: usize = 10;

/// Pods that have hundreds of images, and new texts in each report.
const HOSTILE: usize = 2;

/// Images of each of these.
const IMAGES: usize = 300;

/// The kubelet's longest pause between two attempts.
const PAUSE: Duration = Duration::from_secs(300);

/// Looks that are made within a pause.
const LOOKS: u32 = 10;

fn hours() -> u64 {
    // A whole day takes longer than a test may: `cargo soak random` has it.
    match testbed::random::times().unwrap() {
        1 => 1,
        _ => 24,
    }
}

fn hostile(n: usize, round: u64) -> Pod {
    let image = |i: usize| format!("r.test/{}/h{n}-{i}:1", "a".repeat(200));
    let mut pod = Pod::new(&format!("hostile-{n}"));
    for i in 0..IMAGES {
        pod = pod.container(&format!("c{i}"), &image(i));
    }
    let waiting = |i: usize| {
        let message = format!("{} {round}", NOT_FOUND);
        json!({"name": format!("c{i}"), "image": image(i), "state": {"waiting": {"reason": "ErrImagePull", "message": message}}})
    };
    pod.0["status"]["containerStatuses"] = (0..IMAGES).map(waiting).collect::<Vec<Value>>().into();
    pod
}

#[tokio::test]
async fn a_full_node_costs_little() {
    let mut node = Node::observing().await;
    node.config.policy.failure_count = std::num::NonZeroU32::new(1_000_000);
    node.config.policy.mode = pullwarden::judge::NodeMode::Enforce;
    for n in 0..HEALTHY {
        let pod = Pod::new(&format!("healthy-{n}")).container("c", "r.test/good:1");
        let pod = pod.running("c").phase("Running");
        node.add(&pod);
        node.runtime.add_container(&pod);
    }
    let mut stuck: Vec<Pod> = (0..STUCK)
        .map(|n| Pod::bad(&format!("stuck-{n}")))
        .collect();
    let always = |n| Pod::bad(&format!("always-{n}")).restart("Always");
    stuck.extend((0..OUT_OF_SCOPE).map(always));
    for pod in &stuck {
        node.add(pod);
    }
    for n in 0..HOSTILE {
        node.add(&hostile(n, 0));
    }
    let agent = node.agent();
    agent.judges(&stuck[0]).await;
    node.turns(2).await;

    let rounds = hours() * 3600 / PAUSE.as_secs();
    let before = (
        node.runtime.asked(),
        node.runtime.listed(),
        agent.metrics.agent.state_writes.get(),
    );
    let mut lines = 0;
    let mut seen = node.lines().len();
    let mut count_lines = |node: &Node| {
        let now = node.lines().len();
        // A file that is full is put aside.
        lines += if now >= seen { now - seen } else { now };
        seen = now;
    };
    for round in 1..=rounds {
        for pod in &stuck {
            node.report(&pod.clone().failing(NOT_FOUND));
        }
        for n in 0..HOSTILE {
            node.report(&hostile(n, round));
        }
        node.turns(1).await;
        for pod in &stuck {
            let pause = back_off(crate::support::pod::BAD, NOT_FOUND);
            node.report(&pod.clone().waiting("c", "ImagePullBackOff", &pause));
        }
        for _ in 0..LOOKS {
            node.advance(PAUSE / LOOKS);
            node.turns(1).await;
        }
        count_lines(&node);
    }
    let looks = node.runtime.asked() - before.0;
    let images = node.runtime.listed() - before.1;
    let writes = agent.metrics.agent.state_writes.get() - before.2;
    let state = std::fs::metadata(node.state_file()).unwrap().len();
    println!(
        "{} hours: {looks} looks, {images} lists of images, {lines} lines, {writes} writes of the state, {state} bytes of it",
        hours()
    );
    let judged = agent.status().await.pods;
    assert!(judged.iter().all(|pod| !pod.pod.starts_with("always")));
    // A failure of a stuck Pod is a view, a failure and a verdict, and its pause a view and a verdict. Each is written once.
    let attempts = rounds * (STUCK + OUT_OF_SCOPE + HOSTILE) as u64;
    assert!(
        lines as u64 <= 6 * attempts,
        "{lines} lines for {attempts} attempts"
    );
    assert!(
        writes <= 2 * attempts,
        "{writes} writes for {attempts} attempts"
    );
    assert!(images <= looks);
    assert!(state < 256 * 1024, "{state} bytes of state");
}
