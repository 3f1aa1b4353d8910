//! The install by kustomize and by Helm, for the node's runtime, with the preflight in the agent's own Pod.

use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, name};
use crate::shapes::{REGISTRY, container, pod};

use super::installed::{Installed, bring, folder, ready, until_status};
use super::until_gone;

pub fn installed_by_kustomize_and_by_helm_it_fails_a_pod() {
    let bed = Bed::of(Group::Deployed);
    bring(&bed.node);
    // The base is for containerd.
    let (kustomization, distribution) = match bed.node.plan().runtime.is_crio() {
        true => ("overlays/crio", &["distribution=crio"][..]),
        false => ("base", &[][..]),
    };
    bed.run("installed", |cluster| {
        let installed = Installed(&bed.node);
        async move {
            let home = Cluster {
                namespace: "pullwarden".to_owned(),
                ..cluster.clone()
            };
            installed.apply(kustomization);
            ready(&home, None).await;
            installed.configure("mode: enforce\nimagePullFailureCount: 3\nwarmUp: 0s\n");
            until_status(&cluster, &installed, "it to enforce", |status| {
                status["mode"] == "enforce" && status["warmUpLeftSeconds"] == 0
            })
            .await;
            fails(&cluster, "kustomized").await;
            let found = installed.check();
            assert!(found.contains("ok       runtime"), "{found}");
            installed.kubectl(&["delete", "-k", &folder(kustomization), "--wait=false"]);
            until_gone(&cluster, &installed).await;

            let enforce = [
                "config.mode=enforce",
                "config.imagePullFailureCount=3",
                "config.warmUp=0s",
            ];
            installed.install_chart(&[distribution, &enforce].concat());
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
    let image = format!("{REGISTRY}/installed/{what}:1");
    let bad = pod(what, vec![container("main", &image)]);
    cluster.create(bad.clone()).await;
    let failed = cluster.until_failed(name(&bad)).await;
    assert_failed_by_us(&failed, "ImageNotFound", &image);
}
