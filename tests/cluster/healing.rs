use pullwarden::judge::ANNOTATION_FAILURE_COUNT;
use serde_json::json;

use crate::bed::{Bed, Group};
use crate::cluster::{assert_untouched, phase};
use crate::shapes::{FAULTY, container, pod};

#[test]
pub fn image_pushed_after_two_failures_runs_and_nothing_is_written() {
    let bed = Bed::of(Group::Main);
    bed.run("healing", |cluster| {
        let bed = &bed;
        async move {
            let image = format!("{FAULTY}/healing/late:1");
            let mut healing = pod("healing", vec![container("main", &image)]);
            // On a slow machine the kubelet may try more often before the image is pushed.
            healing["metadata"]["annotations"] = json!({ANNOTATION_FAILURE_COUNT: "6"});
            cluster.create(healing).await;
            let two = || async { (bed.agent().failures("healing") >= 2).then_some(()) };
            cluster.until("two failures", two).await;
            bed.node.push_image("healing/late", "1").unwrap();
            let running = || async {
                cluster
                    .pod("healing")
                    .await
                    .filter(|pod| phase(pod) == "Running")
            };
            assert_untouched(&cluster.until("the Pod to run", running).await);
            let dropped = || async {
                let lines = bed.agent().lines();
                let of_pod = lines.iter().filter(|line| line["pod"] == "healing");
                of_pod
                    .filter(|line| line["kind"] == "left")
                    .count()
                    .eq(&1)
                    .then_some(())
            };
            cluster.until("its count to be dropped", dropped).await;
            assert_eq!(bed.agent().failures("healing"), 0);
            assert!(cluster.events("healing").await.is_empty());
        }
    });
}
