//! The eight minutes for which a proof of the policy is used, by the real clock. Run by `cargo soak`.

use std::time::Duration;

use testbed::Stopwatch;

use super::installed::{Installed, bring, ready, until_status};
use super::unguarded::{delete_policy, stopped, tokens};
use super::{bad, only_pod};
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, assert_untouched, name};
use crate::shapes::REGISTRY;

/// Age of the oldest proof with which an agent begins to write.
const PROVED: Duration = Duration::from_secs(8 * 60);

#[test]
fn an_agent_misses_its_policy_eight_minutes_after_the_proof() {
    let bed = Bed::of(Group::Unguarded);
    bring(&bed.node);
    bed.run("unguarded", |cluster| {
        let installed = Installed(&bed.node);
        async move {
            let home = Cluster {
                namespace: "pullwarden".to_owned(),
                ..cluster.clone()
            };
            installed.apply("overlays/enforce");
            ready(&home, None).await;
            installed.configure("mode: enforce\nwarmUp: 0s\nnewNodeBrake: 0s\n");
            until_status(&cluster, &installed, "it to enforce", |status| {
                status["guardTried"] == "yes" && status["warmUpLeftSeconds"] == 0
            })
            .await;
            // The proof is older than this.
            let proved = Stopwatch::start();
            delete_policy(&installed);
            let image = format!("{REGISTRY}/unguarded/missing:1");
            cluster.create(bad("soon", &image, "1")).await;
            let soon = only_pod(&cluster, "soon").await;
            let failed = cluster.until_failed(name(&soon)).await;
            assert_failed_by_us(&failed, "ImageNotFound", &image);
            eprintln!("failed {:?} after the proof", proved.elapsed());
            assert!(proved.elapsed() < PROVED);

            while proved.elapsed() < PROVED {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let before = tokens(&installed);
            cluster.create(bad("late", &image, "1")).await;
            let late = only_pod(&cluster, "late").await;
            stopped(&cluster, &installed).await;
            eprintln!("stopped {:?} after the proof", proved.elapsed());
            assert_untouched(&cluster.pod(name(&late)).await.unwrap());
            assert_eq!(tokens(&installed), before);

            installed.apply("overlays/enforce");
            let failed = cluster.until_failed(name(&late)).await;
            assert_failed_by_us(&failed, "ImageNotFound", &image);
            eprintln!("failed {:?} after the proof", proved.elapsed());
        }
    });
}
