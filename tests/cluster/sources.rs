//! What one stuck Pod costs the API server where the kubelet has its own socket, and where it has not.

use crate::agent::Agent;
use crate::audit::{Request, requests};
use crate::bed::{Bed, Group};
use crate::cluster::assert_failed_by_us;
use crate::shapes::{FAULTY, container, pod};

#[test]
fn a_stuck_pod_costs_one_get_two_patches_and_an_event() {
    let bed = Bed::of(Group::Sources);
    let agent = Agent::enforcing(&bed.node, "sources")
        .with_fleet_budget()
        .start();
    let has_socket = bed.node.kubelet_pods_socket().exists();
    bed.run("sources", |cluster| {
        let (bed, agent) = (&bed, &agent);
        async move {
            let bad = format!("{FAULTY}/sources/missing:1");
            cluster
                .create(pod("bad", vec![container("main", &bad)]))
                .await;
            let source = if has_socket { "kubelet" } else { "apiserver" };
            let open = || async { (agent.status()?["evidenceSource"] == source).then_some(()) };
            cluster.until("evidence by the expected source", open).await;
            assert_failed_by_us(&cluster.until_failed("bad").await, "ImageNotFound", &bad);
            let event = || async { (!cluster.events("bad").await.is_empty()).then_some(()) };
            cluster.until("the Event", event).await;
            let closed = || async { (agent.status()?["evidence"] == "closed").then_some(()) };
            cluster.until("evidence to be closed", closed).await;

            let made = requests(&bed.node);
            eprintln!("requests for one stuck Pod, by {source}: {made:#?}");
            let count = |verb: &str, path: &str, well: bool| {
                let of =
                    |r: &&Request| r.verb == verb && r.path() == path && (r.code < 300) == well;
                made.iter().filter(of).count()
            };
            let path = "/api/v1/namespaces/sources/pods/bad";
            let status = format!("{path}/status");
            // A Pod that has moved between the look and a write is looked at again.
            let conflicts = made.iter().filter(|r| r.code == 409).count();
            let reads = if has_socket { 0 } else { 1 };
            assert_eq!(count("list", "/api/v1/pods", true), reads);
            assert_eq!(count("watch", "/api/v1/pods", true), reads);
            assert_eq!(count("get", path, true), 1 + conflicts);
            assert_eq!(count("patch", &status, true), 1);
            assert_eq!(count("patch", path, true), 1);
            assert_eq!(
                count("create", "/api/v1/namespaces/sources/events", true),
                1
            );
            let fleet = "/api/v1/namespaces/pullwarden/configmaps/pullwarden-fleet";
            assert_eq!(count("get", fleet, true), 1);
            assert_eq!(count("patch", fleet, true), 1);
            assert_eq!(made.len(), 6 + 2 * (reads + conflicts), "nothing else");

            let log = bed.node.registry_log().unwrap();
            let manifest = "/v2/sources/missing/manifests/1";
            let attempts = log.iter().filter(|seen| seen.path == manifest).count();
            let counted = agent.failures_logged("bad");
            assert!(
                counted == 3 && counted <= attempts,
                "{counted} counted, {attempts} made"
            );
        }
    });
}
