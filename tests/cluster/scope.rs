use serde_json::json;

use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_untouched, name, phase};
use crate::shapes::{REGISTRY, container, pod};

/// Longer than the third failure takes on any kubelet: by then a Pod in scope is failed.
async fn until_another_is_failed(cluster: &Cluster, witness: &str) {
    let image = format!("{REGISTRY}/scope/witness:1");
    cluster
        .create(pod(witness, vec![container("main", &image)]))
        .await;
    cluster.until_failed(witness).await;
}

#[test]
fn what_is_out_of_scope_is_never_written_to() {
    let bed = Bed::of(Group::Main);
    bed.node.push_image("scope/good", "1").unwrap();
    let bad = format!("{REGISTRY}/scope/missing:1");
    // A static Pod, read from the kubelet's folder; its mirror shows up in the namespace.
    let mut mirror = pod("static", vec![container("main", &bad)]);
    mirror["metadata"]["namespace"] = json!("scope");
    let manifests = bed.node.dir().join("config/manifests");
    bed.run("scope", |cluster| async move {
        std::fs::write(manifests.join("static.json"), mirror.to_string()).unwrap();
        let mut always = pod("always", vec![container("main", &bad)]);
        always["spec"]["restartPolicy"] = json!("Always");
        cluster.create(always).await;
        let mut off = pod("off", vec![container("main", &bad)]);
        off["metadata"]["annotations"] = json!({"pullwarden.io/mode": "off"});
        cluster.create(off).await;
        let good = format!("{REGISTRY}/scope/good:1");
        cluster
            .create(pod("running", vec![container("main", &good)]))
            .await;
        // Held by its finalizer while it is being deleted.
        let mut ending = pod("terminating", vec![container("main", &bad)]);
        ending["metadata"]["finalizers"] = json!(["pullwarden.test/hold"]);
        cluster.create(ending).await;
        cluster.until_waiting("terminating", "ErrImagePull").await;
        let kube_system = Cluster {
            namespace: "kube-system".to_owned(),
            ..cluster.clone()
        };
        kube_system
            .create(pod("system", vec![container("main", &bad)]))
            .await;

        until_another_is_failed(&cluster, "witness").await;
        until_another_is_failed(&cluster, "second-witness").await;
        assert_untouched(&kube_system.pod("system").await.unwrap());
        let pods = cluster.pods().await;
        let untouched = pods.iter().filter(|pod| !name(pod).contains("witness"));
        let mut names = Vec::new();
        for pod in untouched {
            if name(pod) != "terminating" {
                assert_untouched(pod);
            }
            names.push(name(pod).to_owned());
        }
        assert_eq!(
            names,
            ["always", "off", "running", "static-node1", "terminating"]
        );
        let running = cluster.pod("running").await.unwrap();
        assert_eq!(phase(&running), "Running");
    });
}
