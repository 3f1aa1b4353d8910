//! deploy/ as it is shipped: installed, raised from observe to enforce, switched off and on, restarted, uninstalled.

pub mod both;
mod crowd;
mod documented;
#[cfg(feature = "soak")]
mod eight_minutes;
mod fleet;
mod hardship;
mod installed;
mod networks;
mod unguarded;

use serde_json::{Value, json};

use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, assert_untouched, condition, name, phase};
use crate::shapes::{REGISTRY, container, job};
use installed::{Installed, bring, folder, ready, until_status};

const COUNT: &str = "pullwarden.io/image-pull-failure-count";

/// A Job that fails at its Pod's `count`th failed pull.
fn bad(name: &str, image: &str, count: &str) -> Value {
    let mut job = job(name, container("main", image), 0);
    job["spec"]["template"]["metadata"] = json!({"annotations": {COUNT: count}});
    job
}

#[test]
fn as_shipped_it_observes_enforces_is_switched_off_and_leaves_only_its_counts() {
    let bed = Bed::of(Group::Deployed);
    bring(&bed.node);
    bed.run("deployed", |cluster| {
        let node = &bed.node;
        let installed = Installed(node);
        async move {
            let home = Cluster {
                namespace: "pullwarden".to_owned(),
                ..cluster.clone()
            };
            installed.apply("base");
            let own = ready(&home, None).await;
            assert!(own["spec"]["hostNetwork"].is_null() && own["spec"]["hostPID"].is_null());

            // Its first ten minutes it would only watch; a change of the ConfigMap is taken up as it runs.
            installed.configure("mode: observe\nwarmUp: 0s\n");
            until_status(&cluster, &installed, "the warm-up to be over", |status| {
                status["warmUpLeftSeconds"] == 0
            })
            .await;
            let image = format!("{REGISTRY}/deployed/missing:1");
            cluster.create(bad("stuck", &image, "3")).await;
            let stuck = only_pod(&cluster, "stuck").await;
            let announced = || async {
                let events = cluster.events(name(&stuck)).await;
                events
                    .iter()
                    .any(|event| event["reason"] == "ImagePullWouldFail")
                    .then_some(())
            };
            cluster
                .until("what it would do to be announced", announced)
                .await;
            assert_untouched(&cluster.pod(name(&stuck)).await.unwrap());
            // A configuration with a fault changes nothing.
            installed.configure("mode: enforce\nwarmUp: soon\n");
            until_status(&cluster, &installed, "the fault to be told", |status| {
                status["configurationRefused"]
                    .as_str()
                    .is_some_and(|told| told.contains("warmUp"))
            })
            .await;
            assert_eq!(installed.status().unwrap()["mode"], "observe");

            // The counts are kept: the next failure is the Pod's last.
            installed.apply("overlays/enforce");
            until_status(&cluster, &installed, "it to enforce", |status| {
                status["mode"] == "enforce"
            })
            .await;
            assert_failed_by_us(
                &cluster.until_failed(name(&stuck)).await,
                "ImageNotFound",
                &image,
            );
            let failed = || async {
                cluster
                    .job("stuck")
                    .await
                    .filter(|job| job["status"]["failed"] == 1)
            };
            cluster.until("the Job to have failed", failed).await;
            assert_eq!(installed.status().unwrap()["guardTried"], "yes");
            let on = own["spec"]["nodeName"].as_str().unwrap();
            fleet::fleet(&cluster, &installed, on).await;

            // An agent that starts in this mode makes sure that it is held before anything else.
            home.delete_pod(name(&own)).await;
            ready(&home, Some(name(&own))).await;
            until_status(&cluster, &installed, "the new one to be held", |status| {
                status["guardTried"] == "yes"
            })
            .await;

            let before = unguarded::tokens(&installed);
            installed.switch_off();
            // Whatever installs, upgrades or heals pullwarden leaves the switch as it is.
            installed.apply("base");
            installed.apply("overlays/enforce");
            let another = format!("{REGISTRY}/deployed/another:1");
            cluster.create(bad("held", &another, "1")).await;
            let held = only_pod(&cluster, "held").await;
            let told = || async {
                installed
                    .log()
                    .contains("writes are switched off")
                    .then_some(())
            };
            cluster.until("the denial to be told", told).await;
            let now = cluster.pod(name(&held)).await.unwrap();
            assert!(
                phase(&now) == "Pending" && condition(&now).is_none(),
                "{now}"
            );
            assert_eq!(unguarded::tokens(&installed), before);
            unguarded::unguarded(&cluster, &installed, name(&held), &another).await;

            // From the Pod network, at the Service address, which only its own token knows.
            let addresses = installed.addresses();
            assert!(
                !addresses.is_empty() && addresses.iter().all(|ip| ip.starts_with("10.88.")),
                "{addresses:?}"
            );

            // Nothing is missing, by the agent's own means and in its own place.
            installed.check();

            installed.kubectl(&["delete", "-k", &folder("overlays/enforce"), "--wait=false"]);
            until_gone(&cluster, &installed).await;
            let of_host = |path: &str| node.dir().join("private").join(path).exists();
            assert!(of_host("lib/pullwarden/state.json") && of_host("log/pullwarden/pulls.jsonl"));

            // The same with Helm.
            installed.install_chart(&["config.mode=enforce", "config.warmUp=0s"]);
            ready(&home, None).await;
            installed.switch_off();
            installed.upgrade_chart(&["config.mode=enforce", "config.warmUp=1s"]);
            // Of a repository that has failed before: a third one would be held by the registry's brake.
            let image = format!("{REGISTRY}/deployed/another:2");
            cluster.create(bad("charted", &image, "2")).await;
            let pod = only_pod(&cluster, "charted").await;
            cluster.until("the denial to be told", told).await;
            assert_untouched(&cluster.pod(name(&pod)).await.unwrap());
            installed.switch_on();
            assert_failed_by_us(
                &cluster.until_failed(name(&pod)).await,
                "ImageNotFound",
                &image,
            );
            installed.check();
            installed.uninstall_chart();
            installed.kubectl(&["delete", "namespace", "pullwarden", "--wait=false"]);
            until_gone(&cluster, &installed).await;
            assert_eq!(installed.remains(), "");
        }
    });
}

/// Waits until the agents and their namespace are gone.
async fn until_gone(cluster: &Cluster, installed: &Installed<'_>) {
    let gone = || async { installed.namespace().is_empty().then_some(()) };
    cluster
        .until("the agents' namespace to be gone", gone)
        .await;
}

/// The Pod of a Job, once it is there.
async fn only_pod(cluster: &Cluster, job: &str) -> Value {
    let found = || async { cluster.pods_of(job).await.pop() };
    cluster.until("the Job's Pod", found).await
}
