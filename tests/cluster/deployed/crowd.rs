//! The agent's memory on a node whose Pods are as large as Pods can be: the limit of the manifests holds.

use serde_json::{Value, json};

use super::installed::{Installed, agents_container, bring, ready, until_status};
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, name};
use crate::shapes::{REGISTRY, container, pod};

/// As many Pods as a kubelet takes by default.
const PODS: usize = 110;

/// Of annotations. The API server takes 256 KiB of each Pod, but the kubelet hands them to the runtime, and the runtime's list of all sandboxes may
/// have 16 MiB: with 250 KiB each the kubelet itself loses sight of its Pods, and the node is not ready any more.
const ANNOTATIONS: usize = 140 * 1024;

fn large(index: usize) -> Value {
    let image = format!("{REGISTRY}/crowd/missing-{index}:1");
    let mut pod = pod(&format!("large-{index}"), vec![container("main", &image)]);
    pod["metadata"]["annotations"] = json!({"theirs": "x".repeat(ANNOTATIONS)});
    // Nothing of it is to be seen but its size.
    pod["spec"]["terminationGracePeriodSeconds"] = json!(0);
    pod
}

#[test]
fn a_node_full_of_pods_with_large_annotations_fits_into_the_limit() {
    let bed = Bed::of(Group::Crowd);
    bring(&bed.node);
    bed.run("crowd", |cluster| {
        let bed = &bed;
        async move {
            let installed = Installed(&bed.node);
            let home = Cluster {
                namespace: "pullwarden".to_owned(),
                ..cluster.clone()
            };
            installed.apply("base");
            ready(&home, None).await;
            for index in 0..PODS {
                cluster.create(large(index)).await;
            }
            let sources: &[&str] = match bed.has_kubelet_socket("evidence from the kubelet") {
                true => &["kubelet", "apiserver"],
                false => &["apiserver"],
            };
            let mut before = None;
            for source in sources {
                let evidence = format!("PULLWARDEN_EVIDENCE={source}");
                let arguments = ["-n", "pullwarden", "set", "env", "ds/pullwarden", &evidence];
                installed.kubectl(&arguments);
                until_status(&cluster, &installed, "all to be judged", |status| {
                    let pods = status["pods"].as_array().unwrap();
                    let failing = pods.iter().filter(|pod| pod["failures"].as_u64() > Some(0));
                    status["evidenceSource"] == **source && failing.count() == PODS
                })
                .await;
                let own = ready(&home, before.as_deref()).await;
                before = Some(name(&own).to_owned());
                assert_eq!(agents_container(&own)["restartCount"], 0, "{own}");
                let limit = &own["spec"]["containers"][0]["resources"]["limits"]["memory"];
                let pid = installed.process().expect("the agent runs");
                let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
                let peak = status.lines().find(|line| line.starts_with("VmHWM:"));
                eprintln!(
                    "{PODS} Pods with {ANNOTATIONS} bytes of annotations each, evidence from the {source}: {}, limit {limit}",
                    peak.unwrap_or("no peak"),
                );
            }
        }
    });
}
