use pullwarden::judge::ANNOTATION_FAILURE_COUNT;
use serde_json::json;

use crate::bed::{Bed, Group};
use crate::cluster::assert_failed_by_us;
use crate::shapes::{FAULTY, REGISTRY, container, pod};

#[test]
pub fn bad_init_container_is_failed() {
    Bed::of(Group::Main).run("init", |cluster| async move {
        let bad = format!("{REGISTRY}/init/missing:1");
        let mut pod = pod(
            "a",
            vec![container("main", &format!("{REGISTRY}/init/other:1"))],
        );
        pod["spec"]["initContainers"] = json!([container("setup", &bad)]);
        cluster.create(pod).await;
        assert_failed_by_us(&cluster.until_failed("a").await, "ImageNotFound", &bad);
    });
}

#[test]
pub fn an_image_that_is_mounted_is_failed_by_its_own_name() {
    let bed = Bed::of(Group::Main);
    bed.node.push_image("volume/good", "1").unwrap();
    if bed.minor() < 35 {
        eprintln!("without image volumes: the API server takes them out of Pods before 1.35");
        return;
    }
    let bad = format!("{FAULTY}/volume/missing:1");
    bed.run("volume", |cluster| {
        let bad = bad.clone();
        async move {
            let mut container = container("main", &format!("{REGISTRY}/volume/good:1"));
            container["volumeMounts"] = json!([{"name": "model", "mountPath": "/model"}]);
            let mut pod = pod("mounting", vec![container]);
            pod["spec"]["volumes"] = json!([{"name": "model", "image": {"reference": bad}}]);
            cluster.create(pod).await;
            assert_failed_by_us(
                &cluster.until_failed("mounting").await,
                "ImageNotFound",
                &bad,
            );
        }
    });
    let counted = bed.agent().failures_logged("mounting");
    let made = bed.node.pulls(&bad).unwrap().begun;
    assert!(
        counted == 3 && counted <= made,
        "{counted} counted, {made} made"
    );
}

#[test]
pub fn one_running_and_one_bad_container_are_failed() {
    let bed = Bed::of(Group::Main);
    bed.node.push_image("mixed/good", "1").unwrap();
    bed.run("mixed", |cluster| async move {
        let bad = format!("{REGISTRY}/mixed/missing:1");
        let good = format!("{REGISTRY}/mixed/good:1");
        let containers = vec![container("good", &good), container("bad", &bad)];
        cluster.create(pod("a", containers)).await;
        let failed = cluster.until_failed("a").await;
        assert_failed_by_us(&failed, "ImageNotFound", &bad);
        // The kubelet reports the phase first, and the container's end when it has stopped it.
        let ended = || async {
            let pod = cluster.pod("a").await?;
            let statuses = pod["status"]["containerStatuses"].as_array()?;
            let good = statuses.iter().find(|status| status["name"] == "good")?;
            good["state"]["terminated"].is_object().then_some(())
        };
        cluster
            .until("the good container to be ended too", ended)
            .await;
    });
}

#[test]
pub fn two_containers_of_one_bad_image_count_each_attempt_once() {
    let bed = Bed::of(Group::Main);
    bed.run("shared-image", |cluster| async move {
        let bad = format!("{FAULTY}/shared/missing:1");
        let containers = vec![container("one", &bad), container("two", &bad)];
        cluster.create(pod("shared-image", containers)).await;
        let failed = cluster.until_failed("shared-image").await;
        assert_failed_by_us(&failed, "ImageNotFound", &bad);
    });
    let agent = bed.agent();
    let image = format!("{FAULTY}/shared/missing:1");
    let attempts = bed.node.pulls(&image).unwrap().begun;
    assert_eq!(agent.failures_that_decided("shared-image", &image), 3);
    let counted = agent.failures_logged("shared-image");
    assert!(
        counted <= attempts,
        "{counted} failures counted in {attempts} attempts"
    );
}

/// The node counts to 3, and the Pod to 9.
#[test]
pub fn a_container_with_a_count_of_its_own_is_failed_at_it() {
    let bed = Bed::of(Group::Main);
    let image = |name: &str| format!("{FAULTY}/container-count/{name}:1");
    let (patient, hasty) = (image("patient"), image("hasty"));
    bed.run("container-count", |cluster| {
        let containers = vec![container("one", &patient), container("two", &hasty)];
        let hasty = &hasty;
        async move {
            let mut pod = pod("counted", containers);
            pod["metadata"]["annotations"] = json!({
                ANNOTATION_FAILURE_COUNT: "9",
                "image-pull-failure-count.pullwarden.io/two": "2",
                "image-pull-failure-count.pullwarden.io/three": "1",
            });
            cluster.create(pod).await;
            cluster.until_waiting("counted", "ErrImagePull").await;
            let failed = cluster.until_failed("counted").await;
            assert_failed_by_us(&failed, "ImageNotFound", hasty);
        }
    });
    let agent = bed.agent();
    assert_eq!(agent.failures_that_decided("counted", &hasty), 2);
    let made = bed.node.pulls(&hasty).unwrap().begun;
    assert!(made >= 2, "{made} pulls");
}
