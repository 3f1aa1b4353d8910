//! The install as it is shipped on a node with CRI-O, with the preflight in its own Pod.

use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, name};
use crate::shapes::{REGISTRY, container, pod};

use super::installed::{Installed, bring, folder, ready, until_status};
use super::until_gone;

pub fn installed_by_kustomize_and_by_helm_it_fails_a_pod() {
    let bed = Bed::of(Group::Deployed);
    bring(&bed.node);
    bed.run("crio-install", |cluster| {
        let installed = Installed(&bed.node);
        async move {
            let home = Cluster {
                namespace: "pullwarden".to_owned(),
                ..cluster.clone()
            };
            installed.apply("overlays/crio");
            ready(&home, None).await;
            installed.configure("mode: enforce\nimagePullFailureCount: 3\nwarmUp: 0s\n");
            until_status(&cluster, &installed, "it to enforce", |status| {
                status["mode"] == "enforce" && status["warmUpLeftSeconds"] == 0
            })
            .await;
            fails(&cluster, "kustomized").await;
            let found = installed.check();
            assert!(found.contains("ok       runtime"), "{found}");
            let overlay = folder("overlays/crio");
            installed.kubectl(&["delete", "-k", &overlay, "--wait=false"]);
            until_gone(&cluster, &installed).await;

            installed.install_chart(&[
                "distribution=crio",
                "config.mode=enforce",
                "config.imagePullFailureCount=3",
                "config.warmUp=0s",
            ]);
            ready(&home, None).await;
            fails(&cluster, "charted").await;
            let found = installed.check();
            assert!(found.contains("ok       runtime"), "{found}");
            installed.uninstall_chart();
            installed.kubectl(&["delete", "namespace", "pullwarden", "--wait=false"]);
            until_gone(&cluster, &installed).await;
            assert_eq!(installed.remains(), "");
        }
    });
}

async fn fails(cluster: &Cluster, what: &str) {
    let image = format!("{REGISTRY}/crio-install/{what}:1");
    let bad = pod(what, vec![container("main", &image)]);
    cluster.create(bad.clone()).await;
    let failed = cluster.until_failed(name(&bad)).await;
    assert_failed_by_us(&failed, "ImageNotFound", &image);
}
