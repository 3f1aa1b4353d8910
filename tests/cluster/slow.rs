use testbed::Fault;

use crate::agent::Plan;
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_untouched, phase, waiting_reasons};
use crate::shapes::{FAULTY, container, pod};

/// Until the warm-up is over the third failure has been counted and held, and nothing but the next failure may decide.
const WARM_UP: &str = "mode: enforce\nimagePullFailureCount: 3\nwarmUp: 95s\n";

async fn until_running(cluster: &Cluster, name: &str) {
    let running = || async {
        let pod = cluster.pod(name).await?;
        assert_ne!(phase(&pod), "Failed", "a slow Pod was failed");
        (phase(&pod) == "Running").then_some(pod)
    };
    assert_untouched(&cluster.until(&format!("{name} to run"), running).await);
}

#[test]
fn slow_is_not_failed() {
    let bed = Bed::of(Group::Slow);
    let agent = Plan::new(&bed.node, "own-slow", WARM_UP).start();
    bed.run("own-slow", |cluster| {
        let (bed, agent) = (&bed, &agent);
        async move {
            let image = |name: &str| format!("{FAULTY}/slow/{name}:1");
            for name in ["queued", "downloading"] {
                cluster
                    .create(pod(name, vec![container("main", &image(name))]))
                    .await;
            }
            for name in ["queued", "downloading"] {
                let three = || async { (agent.failures(name) >= 3).then_some(()) };
                cluster.until("three failures", three).await;
            }
            // Both have reached their count. Their next pulls are a slow one and one that waits behind slow ones.
            bed.node
                .push_large_image("slow/downloading", "1", 4 << 20)
                .unwrap();
            bed.node
                .set_fault("slow/downloading", Fault::Slow { seconds: 60 })
                .unwrap();
            bed.node
                .push_large_image("slow/blocker", "1", 4 << 20)
                .unwrap();
            bed.node
                .set_fault("slow/blocker", Fault::Slow { seconds: 60 })
                .unwrap();
            bed.node.push_image("slow/queued", "1").unwrap();
            cluster
                .create(pod("blocker", vec![container("main", &image("blocker"))]))
                .await;

            let warm = || async { (agent.status()?["warmUpLeftSeconds"] == 0).then_some(()) };
            cluster.until("the warm-up to be over", warm).await;
            for name in ["queued", "downloading"] {
                let pod = cluster.pod(name).await.unwrap();
                assert_eq!(
                    waiting_reasons(&pod),
                    ["ImagePullBackOff"],
                    "{name} is slow by now"
                );
                assert_eq!(agent.failures(name), 3);
            }
            for name in ["downloading", "blocker", "queued"] {
                until_running(&cluster, name).await;
            }
        }
    });
}
