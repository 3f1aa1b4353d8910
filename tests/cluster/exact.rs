//! Not one failure too early, and not one too late.

use std::time::Duration;

use pullwarden::judge::Moment;
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

/// The kubelet's pause after the first failed pull. Each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(10);

/// The Pod is failed for exactly so many failures, and the runtime was asked exactly so often.
async fn assert_exact(node: &Node, cluster: &Cluster, agent: &Agent, name: &str, count: usize) {
    let failed = cluster.until_failed(name).await;
    let image = failed["spec"]["containers"][0]["image"].as_str().unwrap();
    let took = cluster
        .until("the report's line", || async {
            took(&agent.lines(), name, count)
        })
        .await;
    let pulls = node.pulls(image).unwrap();
    let mut lines = agent.lines();
    lines.retain(|line| line["pod"] == name);
    assert_eq!(
        agent.failures_that_decided(name, image),
        count,
        "{name}: {lines:#?}"
    );
    // A slow machine may write so late that the kubelet has begun one more pull.
    let late =
        took + Duration::from_secs(2) >= PAUSE * 2_u32.pow(u32::try_from(count).unwrap() - 1);
    let most = count + usize::from(late);
    for made in [agent.failures_logged(name), pulls.begun] {
        assert!(
            (count..=most).contains(&made),
            "{name}: {made} and not {count} to {most}, {pulls:?}, {took:?}, {lines:#?}"
        );
    }
}

/// Time from the failure that decided to the end of the Pod's report, by the agent's log.
fn took(lines: &[Value], pod: &str, count: usize) -> Option<Duration> {
    let nth = |kind: &str, n: usize| {
        let mut lines = lines
            .iter()
            .filter(|line| line["pod"] == pod && line["kind"] == kind);
        let at: Moment = serde_json::from_value(lines.nth(n)?["at"].clone()).ok()?;
        Some(at)
    };
    Some(nth("report", 0)?.since(nth("failure", count - 1)?))
}

#[test]
pub fn condemned_at_exactly_the_nth_failure() {
    let bed = Bed::of(Group::Main);
    let plan = Plan::new(&bed.node, "own-exact", ENFORCE);
    exactly(&bed, &plan.start());
}

/// The same, with evidence from the API server.
pub fn by_the_api_server() {
    let bed = Bed::of(Group::Main);
    let plan = Plan::new(&bed.node, "own-exact-api", ENFORCE).by_apiserver();
    exactly(&bed, &plan.start());
}

const ENFORCE: &str = "mode: enforce\nwarmUp: 0s\n";

fn exactly(bed: &Bed, agent: &Agent) {
    let namespace = agent.name();
    bed.run(namespace, |cluster| {
        let node = &bed.node;
        async move {
            let image = |name: &str| format!("{FAULTY}/{namespace}/{name}:1");
            // Edited after two failures: the new image starts at zero.
            cluster
                .create(counting_to("edited", &image("before"), 3))
                .await;
            // Another Pod pulls the image between two failures of this one, which asks the registry each time.
            let sibling = &format!("{namespace}/sibling");
            node.push_image(sibling, "1").unwrap();
            node.set_fault(sibling, Fault::Forbidden).unwrap();
            let mut waits = counting_to("waits", &image("sibling"), 4);
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
                node.push_image(&format!("{namespace}/{name}"), "1")
                    .unwrap();
                node.set_fault(&format!("{namespace}/{name}"), fault)
                    .unwrap();
                cluster
                    .create(counting_to(&name, &image(&name), count))
                    .await;
            }
            let failures = async |name: &str, count: u64| {
                let failures = || async { (agent.failures(name) >= count).then_some(()) };
                let what = format!("{count} failures of {name}");
                cluster.until(&what, failures).await;
            };
            // Each in its own time: the kubelet may have put off one of them.
            let edited = async {
                failures("edited", 2).await;
                let edit =
                    json!({"spec": {"containers": [{"name": "main", "image": image("after")}]}});
                cluster.patch_pod("edited", edit).await;
            };
            let pulled_by_another = async {
                // After three the kubelet waits 40 s, enough for the sibling on a slow machine.
                failures("waits", 3).await;
                node.heal(sibling).unwrap();
                cluster
                    .create(pod("sibling", vec![container("main", &image("sibling"))]))
                    .await;
                let running = || async {
                    let pod = cluster.pod("sibling").await?;
                    (phase(&pod) == "Running").then_some(())
                };
                cluster.until("the sibling to run", running).await;
                node.set_fault(sibling, Fault::Forbidden).unwrap();
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
                made, 6,
                "one by the sibling; spared at the fourth, once only"
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
