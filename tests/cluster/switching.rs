//! Whoever tells of a failure, and whoever stands in for whom: none is lost for good, and none counts twice.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use pullwarden::judge::{Reason, Source};
use serde_json::json;
use testbed::{Component, Node};

use crate::agent::Agent;
use crate::attempts::Attempts;
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, phase};
use crate::relay::Relay;
use crate::shapes::{REGISTRY, container, pod};

fn inode(path: &Path) -> Option<u64> {
    path.metadata().map(|found| found.ino()).ok()
}

/// With it the kubelet's socket is replaced, and its back-off begins anew. One agent has nothing but the socket, the other may choose.
#[test]
fn a_kubelet_restarted_mid_count_loses_no_verdict_and_doubles_no_failure() {
    let bed = Bed::of(Group::Restarts);
    let node = &bed.node;
    let has_socket = bed.has_kubelet_socket("its replacement");
    let only = match has_socket {
        true => Source::Kubelet,
        false => Source::ApiServer,
    };
    let alone = Agent::enforcing(node, "own-restarted").by(only).start();
    let free = Agent::enforcing(node, "own-between").start();
    bed.run("own-restarted", |cluster| {
        let (alone, free) = (&alone, &free);
        async move {
            let other = Cluster::connect(&node.admin_kubeconfig(), "own-between").await;
            let mut alone = Attempts::new(node, alone, cluster).await;
            let mut free = Attempts::new(node, free, other).await;
            for name in ["a", "b", "c"] {
                alone.make(name, 3).await;
                free.make(name, 3).await;
            }
            alone.until_counted("a", 2).await;
            free.until_counted("a", 2).await;

            let socket = node.kubelet_pods_socket();
            let before = inode(&socket);
            node.stop_component(Component::Kubelet).unwrap();
            free.until_by("apiserver").await;
            node.start_component(Component::Kubelet).unwrap();
            // Its first failures by the one source, its last by the other.
            free.make("late", 4).await;
            alone.until_by(only.as_str()).await;
            alone.make("late", 3).await;
            if has_socket {
                let is_another = async || inode(&socket).is_some_and(|now| Some(now) != before);
                alone.until("another socket", is_another).await;
                free.until_by("kubelet").await;
            }
            alone.assert_failed().await;
            free.assert_failed().await;
            let expected: &[&str] = match has_socket {
                true => &["kubelet", "apiserver", "kubelet"],
                false => &["apiserver"],
            };
            assert_eq!(alone.sources(), [only.as_str()]);
            assert_eq!(free.sources(), expected);
        }
    });
}

/// The kubelet goes on, and knows nothing of it: only the way to its socket is hidden, and shown again.
#[test]
fn a_socket_that_goes_away_and_comes_back_doubles_no_failure() {
    let bed = Bed::of(Group::Readers);
    let node = &bed.node;
    if !bed.has_kubelet_socket("a change of source") {
        return;
    }
    let socket = node.dir().join("relay.sock");
    let agent = Agent::enforcing(node, "own-switched").pods_socket(&socket);
    bed.run("own-switched", |cluster| async move {
        let relay = Relay::new(&socket, node.kubelet_pods_socket());
        let agent = agent.start();
        let mut attempts = Attempts::new(node, &agent, cluster).await;
        // One after the other, so that the changes find each in another state.
        for name in ["a", "b", "c", "d"] {
            attempts.make(name, 3).await;
        }
        attempts.until_by("kubelet").await;
        attempts.until_counted("a", 2).await;
        relay.hide();
        attempts.until_by("apiserver").await;
        relay.show();
        attempts.make("late", 4).await;
        attempts.until_by("kubelet").await;
        attempts.make("last", 3).await;
        attempts.assert_failed().await;
        assert_eq!(attempts.sources(), ["kubelet", "apiserver", "kubelet"]);
    });
}

/// The kubelet's socket tells of failures while there is no API server to write to.
#[test]
fn what_fails_while_the_api_server_is_gone_is_written_when_it_is_back() {
    let bed = Bed::of(Group::Gone);
    let node = &bed.node;
    let has_socket = bed.has_kubelet_socket("a count that goes on without the API server");
    let agent = Agent::enforcing(node, "own-gone").start();
    bed.run("own-gone", |cluster| {
        let agent = &agent;
        async move {
            let mut attempts = Attempts::new(node, agent, cluster).await;
            for name in ["a", "b"] {
                attempts.make(name, 2).await;
            }
            node.stop_component(Component::Apiserver).unwrap();
            if has_socket {
                attempts.until_counted("a", 2).await;
                let tried = async || agent.reports("failed").iter().any(|r| r["pod"] == "a");
                attempts.until("the write to fail", tried).await;
                assert_eq!(agent.source().as_deref(), Some("kubelet"));
            } else {
                let goes_on = async || attempts.of("a").1 >= 2;
                attempts
                    .until("failures that nobody tells of", goes_on)
                    .await;
                assert_eq!(attempts.of("a").0, 1, "nothing is invented meanwhile");
            }
            node.start_component(Component::Apiserver).unwrap();
            for name in ["a", "b"] {
                attempts.cluster.until_failed(name).await;
                let (counted, made) = attempts.of(name);
                eprintln!("own-gone/{name}: failed at {counted} counted of {made} made");
                // From the second on each failure decides anew, unless a report is under way, or both
                // writes were made and the kubelet does not know yet.
                let verdicts = agent.lines_of("verdict");
                let of_failures = verdicts
                    .iter()
                    .filter(|verdict| verdict["pod"] == name && verdict["failed"] != json!([]));
                for verdict in of_failures.skip(1) {
                    let is_written = [Reason::BeingReported, Reason::BeingEnded]
                        .iter()
                        .any(|reason| verdict["reasons"][0] == reason.to_string());
                    assert!(verdict["decision"] == "condemn" || is_written, "{verdict}");
                }
                assert!(counted >= 2, "{name}: {counted}");
                assert!(counted <= made, "{name}: {counted} counted, {made} made");
                // The kubelet hears of the write when it is connected again: another attempt may come before.
                let unseen = if has_socket { 1 } else { 4 };
                assert!(made <= counted + unseen, "{name}: {counted} of {made}");
            }
            attempts.assert_nobody_else();
        }
    });
}

/// What the kubelet says when it gives a reader up.
const DROPPED: &str = "Watch client channel is full, dropping client";

/// How often the kubelet has given a reader up. Of several the one that reads nothing is the first.
fn dropped(node: &Node) -> usize {
    let log = std::fs::read_to_string(node.log(Component::Kubelet)).unwrap();
    log.matches(DROPPED).count()
}

/// An agent that is held up while much happens; the kubelet gives up a reader that is a hundred events behind.
#[test]
fn a_reader_that_fell_behind_is_dropped_reads_anew_and_doubles_no_failure() {
    let bed = Bed::of(Group::Readers);
    let node = &bed.node;
    let has_socket = bed.has_kubelet_socket("a reader that is dropped");
    let agent = Agent::enforcing(node, "own-behind").start();
    bed.run("own-behind", |cluster| {
        let agent = &agent;
        async move {
            let mut attempts = Attempts::new(node, agent, cluster.clone()).await;
            for name in ["a", "b", "c"] {
                attempts.make(name, 3).await;
            }
            let before = dropped(node);
            agent.hold();
            let image = format!("{REGISTRY}/own-behind/healthy:1");
            // What is under way is soon filled by Pods of this size, and the kubelet's own queue of a hundred by their changes.
            let note = "x".repeat(200_000);
            let mut made = 0;
            let is_behind = async || dropped(node) > before;
            while has_socket && !is_behind().await && made < 100 {
                for _ in 0..5 {
                    let mut large = pod(&format!("large-{made}"), vec![container("main", &image)]);
                    large["spec"]["containers"][0]["args"] = json!(["sleep", "1"]);
                    large["metadata"]["annotations"] = json!({"note": note});
                    cluster.create(large).await;
                    made += 1;
                }
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            if has_socket {
                attempts.until("the reader to be dropped", is_behind).await;
            }
            let goes_on = async || attempts.of("a").1 >= 2;
            attempts.until("another attempt meanwhile", goes_on).await;
            for index in 0..made {
                let name = format!("large-{index}");
                let ended = || async {
                    let pod = cluster.pod(&name).await?;
                    (phase(&pod) == "Succeeded").then_some(())
                };
                cluster.until("a large Pod to end", ended).await;
            }
            agent.go_on();

            attempts.assert_failed().await;
            let expected = if has_socket { "kubelet" } else { "apiserver" };
            assert_eq!(attempts.sources(), [expected], "no other had to stand in");
            eprintln!("own-behind: dropped after {made} Pods of 200 kB");
        }
    });
}
