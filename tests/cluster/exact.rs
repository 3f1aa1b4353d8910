//! Not one failure too early, and not one too late.

use serde_json::{Value, json};
use testbed::{Fault, Node};

use crate::agent::{Agent, Plan};
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, assert_untouched, phase};
use crate::shapes::{FAULTY, container, pod};

fn counting_to(name: &str, image: &str, count: u32) -> Value {
    let mut pod = pod(name, vec![container("main", image)]);
    pod["metadata"]["annotations"] =
        json!({"pullwarden.io/image-pull-failure-count": count.to_string()});
    pod
}

/// The Pod is failed, and the runtime was asked exactly so often.
async fn assert_exact(node: &Node, cluster: &Cluster, agent: &Agent, name: &str, count: usize) {
    let failed = cluster.until_failed(name).await;
    let image = failed["spec"]["containers"][0]["image"].as_str().unwrap();
    let pulls = node.pulls(image).unwrap();
    let mut lines = agent.lines();
    lines.retain(|line| line["pod"] == name);
    assert_eq!(agent.failures_logged(name), count, "{name}: {lines:#?}");
    assert_eq!(pulls.begun, count, "{name}: {pulls:?}, {lines:#?}");
}

#[test]
fn condemned_at_exactly_the_nth_failure() {
    let bed = Bed::of(Group::Main);
    let agent = Plan::new(&bed.node, "own-exact", "mode: enforce\nwarmUp: 0s\n").start();
    bed.run("own-exact", |cluster| {
        let (node, agent) = (&bed.node, &agent);
        async move {
            let image = |name: &str| format!("{FAULTY}/exact/{name}:1");
            // Edited after two failures: the new image starts at zero.
            cluster
                .create(counting_to("edited", &image("before"), 3))
                .await;
            // Another Pod pulls the image between two failures of this one, which asks the registry each time.
            node.push_image("exact/sibling", "1").unwrap();
            node.set_fault("exact/sibling", Fault::Forbidden).unwrap();
            let mut waits = counting_to("waits", &image("sibling"), 3);
            waits["spec"]["containers"][0]["imagePullPolicy"] = json!("Always");
            cluster.create(waits).await;

            // From here on the agent is told of every change: nothing is missed.
            let one = || async { (agent.failures("edited") >= 1).then_some(()) };
            cluster.until("a first failure", one).await;
            for (count, fault) in [
                (1, Fault::Missing),
                (3, Fault::Forbidden),
                (5, Fault::Garbage),
            ] {
                let name = format!("n{count}");
                node.push_image(&format!("exact/{name}"), "1").unwrap();
                node.set_fault(&format!("exact/{name}"), fault).unwrap();
                cluster
                    .create(counting_to(&name, &image(&name), count))
                    .await;
            }
            let two = async |name: &str| {
                let two = || async { (agent.failures(name) >= 2).then_some(()) };
                cluster.until(&format!("two failures of {name}"), two).await;
            };
            // Each in its own time: the kubelet may have put off one of them.
            let edited = async {
                two("edited").await;
                let edit =
                    json!({"spec": {"containers": [{"name": "main", "image": image("after")}]}});
                cluster.patch_pod("edited", edit).await;
            };
            let pulled_by_another = async {
                two("waits").await;
                node.heal("exact/sibling").unwrap();
                cluster
                    .create(pod("sibling", vec![container("main", &image("sibling"))]))
                    .await;
                let running = || async {
                    let pod = cluster.pod("sibling").await?;
                    (phase(&pod) == "Running").then_some(())
                };
                cluster.until("the sibling to run", running).await;
                node.set_fault("exact/sibling", Fault::Forbidden).unwrap();
            };
            tokio::join!(edited, pulled_by_another);

            for count in [1, 3, 5] {
                assert_exact(node, &cluster, agent, &format!("n{count}"), count).await;
            }
            let failed = cluster.until_failed("edited").await;
            assert_failed_by_us(&failed, "ImageNotFound", &image("after"));
            // Two failures of the old image, more only if it was tried again before the edit was
            // made; three of the new one.
            let decided = |image: &str| agent.failures_that_decided("edited", image);
            let made = node.pulls(&image("before")).unwrap().begun;
            assert!((2..=made).contains(&decided(&image("before"))));
            assert_eq!(decided(&image("after")), 3);
            // The kubelet shows the old image's error after an edit, and may show it until the
            // second attempt at the new one: the first attempt is then not counted.
            let begun = node.pulls(&image("after")).unwrap().begun;
            assert!((3..=4).contains(&begun), "{begun} attempts");

            let failed = cluster.until_failed("waits").await;
            assert_failed_by_us(&failed, "Denied", &image("sibling"));
            let made = node.pulls(&image("sibling")).unwrap().begun;
            assert_eq!(
                made, 5,
                "one by the sibling; spared at the third, once only"
            );
            let held = agent
                .lines()
                .into_iter()
                .filter(|line| line["pod"] == "waits" && line["decision"] == "hold");
            assert_eq!(held.count(), 1);
            assert_untouched(&cluster.pod("sibling").await.unwrap());
        }
    });
}
