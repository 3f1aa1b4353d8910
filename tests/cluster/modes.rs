use serde_json::json;

use crate::agent::{Agent, Plan};
use crate::bed::{Bed, Group};
use crate::cluster::{assert_failed_by_us, assert_untouched, phase};
use crate::shapes::{REGISTRY, container, pod};

const COUNT: &str = "imagePullFailureCount: 1\nwarmUp: 0s\n";

fn agent(bed: &Bed, name: &str, mode: &str) -> Agent {
    Plan::new(&bed.node, name, &format!("{COUNT}mode: {mode}\n")).start()
}

#[test]
pub fn observing_says_what_would_be_done_and_writes_to_no_pod() {
    let bed = Bed::of(Group::Main);
    let agent = agent(&bed, "own-observe", "observe");
    bed.run("own-observe", |cluster| async move {
        let mut bad = pod(
            "a",
            vec![container("main", &format!("{REGISTRY}/observe/missing:1"))],
        );
        // A Pod cannot raise the node's mode.
        bad["metadata"]["annotations"] = json!({"pullwarden.io/mode": "enforce"});
        cluster.create(bad).await;
        let events = cluster.until("the Event", || async {
            Some(cluster.events("a").await).filter(|events| !events.is_empty())
        });
        assert_eq!(events.await[0]["reason"], "ImagePullWouldFail");
        // Two more failures change nothing.
        let three = || async { (agent.failures("a") >= 3).then_some(()) };
        cluster.until("two more failures", three).await;
        assert_eq!(cluster.events("a").await.len(), 1, "said once");
        let pod = cluster.pod("a").await.unwrap();
        assert_eq!(phase(&pod), "Pending");
        assert_untouched(&pod);
    });
}

#[test]
fn opt_in_fails_only_pods_that_ask() {
    let bed = Bed::of(Group::Main);
    let agent = agent(&bed, "own-opt-in", "opt-in");
    bed.run("own-opt-in", |cluster| async move {
        let image = format!("{REGISTRY}/opt-in/missing:1");
        cluster
            .create(pod("silent", vec![container("main", &image)]))
            .await;
        let mut asks = pod("asks", vec![container("main", &image)]);
        asks["metadata"]["annotations"] = json!({"pullwarden.io/mode": "enforce"});
        cluster.create(asks).await;
        assert_failed_by_us(&cluster.until_failed("asks").await, "ImageNotFound", &image);
        let two = || async { (agent.failures("silent") >= 2).then_some(()) };
        cluster.until("another failure", two).await;
        assert_untouched(&cluster.pod("silent").await.unwrap());
    });
}
