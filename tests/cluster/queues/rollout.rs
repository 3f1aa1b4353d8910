//! A StatefulSet whose rolling update is stuck on an image. Takes more than ten minutes: Pods that
//! restart for ever are not failed before.

use serde_json::{Value, json};
use testbed::Stopwatch;

use super::{GOOD, good, missing, requesting, took};
use crate::audit::writes;
use crate::bed::{Bed, Group};
use crate::cluster::Cluster;
use crate::shapes::REGISTRY;

const API: &str = "apis/apps/v1";

/// A StatefulSet of two Pods, one after the other. `asks` for us, or has no word for us.
fn set(name: &str, image: &str, asks: bool) -> Value {
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "serviceName": name,
            "replicas": 2,
            "podManagementPolicy": "OrderedReady",
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [requesting(image, "10m")],
                },
            },
        },
    });
    if asks {
        let annotations = json!({"pullwarden.io/mode": "enforce"});
        set["spec"]["template"]["metadata"]["annotations"] = annotations;
    }
    set
}

/// Gives a StatefulSet's template another image.
async fn change(cluster: &Cluster, name: &str, image: &str) {
    let patch = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "main", "image": image},
    ]}}}});
    let path = cluster.path(API, &format!("statefulsets/{name}"));
    cluster.request("PATCH", &path, Some(&patch)).await.unwrap();
}

/// Waits until both Pods run with this image.
async fn until_rolled_out(cluster: &Cluster, name: &str, image: &str) {
    let rolled_out = || async {
        let pods = cluster.pods_labelled("app", name).await;
        let ready = pods.iter().filter(|pod| {
            let status = &pod["status"]["containerStatuses"][0];
            pod["spec"]["containers"][0]["image"] == image && status["ready"] == true
        });
        (ready.count() == 2).then_some(())
    };
    let what = format!("{name} to roll {image} out");
    cluster.until(&what, rolled_out).await;
}

#[test]
fn a_corrected_template_rolls_out_only_where_it_asks_for_us() {
    let bed = Bed::of(Group::Main);
    bed.run("rollout", |cluster| {
        let bed = &bed;
        async move {
            let (first, bad) = (good(bed), missing(&cluster));
            bed.node.push_image(GOOD, "2").unwrap();
            let second = format!("{REGISTRY}/{GOOD}:2");
            for (name, asks) in [("asks", true), ("silent", false)] {
                let path = cluster.path(API, "statefulsets");
                let set = set(name, &first, asks);
                cluster.request("POST", &path, Some(&set)).await.unwrap();
            }
            for name in ["asks", "silent"] {
                until_rolled_out(&cluster, name, &first).await;
                change(&cluster, name, &bad).await;
            }
            let begun = Stopwatch::start();
            for name in ["asks-1", "silent-1"] {
                cluster.until_waiting(name, "ImagePullBackOff").await;
            }
            for name in ["asks", "silent"] {
                change(&cluster, name, &second).await;
            }
            // The kubelet's pauses come between the failures: no single wait is as long.
            for count in 2..=6 {
                let counted = || async { (bed.agent().failures("asks-1") >= count).then_some(()) };
                cluster.until(&format!("failure {count}"), counted).await;
                took(&format!("StatefulSet: failure {count}"), begun);
            }
            until_rolled_out(&cluster, "asks", &second).await;
            took("StatefulSet: the corrected template has rolled out", begun);
            let stuck = cluster.pod("silent-1").await.unwrap();
            assert_eq!(stuck["spec"]["containers"][0]["image"], bad, "{stuck}");
            let written = writes(&bed.node, &cluster.namespace);
            let names: Vec<_> = written.keys().map(String::as_str).collect();
            assert_eq!(names, ["asks-1"]);
        }
    });
}
