use std::time::Duration;

use crate::bed::{Bed, Group};
use crate::cluster::{assert_failed_by_us, name, phase};
use crate::shapes::{REGISTRY, container, pod};

#[test]
fn twenty_bad_pods_are_failed_and_stay_so() {
    Bed::of(Group::Main).run("twenty", |cluster| async move {
        let mut follow = cluster.follow().await;
        let image = |index: usize| format!("{REGISTRY}/twenty/missing-{index}:1");
        for index in 0..20 {
            let containers = vec![container("main", &image(index))];
            cluster
                .create(pod(&format!("bad-{index}"), containers))
                .await;
        }
        for index in 0..20 {
            let failed = cluster.until_failed(&format!("bad-{index}")).await;
            assert_failed_by_us(&failed, "ImageNotFound", &image(index));
        }
        // The kubelet re-sends what it believes every ten seconds: a minute shows whether it agrees.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let mut failed = std::collections::BTreeSet::new();
        for change in follow.take() {
            match phase(&change) {
                "Failed" => _ = failed.insert(name(&change).to_owned()),
                other => assert!(
                    !failed.contains(name(&change)),
                    "{} is {other} again",
                    name(&change)
                ),
            }
        }
        assert_eq!(failed.len(), 20);
        for (index, pod) in cluster.pods().await.iter().enumerate() {
            assert_eq!(phase(pod), "Failed", "{index}");
            assert_failed_by_us(pod, "ImageNotFound", "twenty/missing-");
        }
    });
}
