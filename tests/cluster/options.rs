use pullwarden::judge::{ANNOTATION_FAILURE_COUNT, Cause};
use serde_json::json;

use crate::agent::Plan;
use crate::bed::{Bed, Group};
use crate::cluster::{assert_failed_by_us, assert_untouched, condition, name, phase};
use crate::shapes::{FAULTY, MIRRORED, REGISTRY, container, job, pod};

#[test]
pub fn deleting_instead_and_namespaces_by_label() {
    let config =
        "mode: enforce\naction: delete\nimagePullFailureCount: 2\nwarmUp: 0s\nsecondOpinion: on\n";
    let bed = Bed::of(Group::Main);
    let agent = Plan::new(&bed.node, "own-options", config).start();
    let is_crio = bed.node.plan().runtime.is_crio();
    bed.run("own-options", |cluster| {
        let agent = &agent;
        async move {
            let mut follow = cluster.follow().await;
            let image = format!("{REGISTRY}/options/missing:1");
            let mut bare = pod("bare", vec![container("main", &image)]);
            bare["metadata"]["annotations"] = json!({"pullwarden.io/mode": "enforse"});
            cluster.create(bare).await;
            cluster.create(job("a", container("main", &image), 1)).await;
            let gone = || async { cluster.pod("bare").await.is_none().then_some(()) };
            cluster.until("the Pod to be deleted", gone).await;
            let changes = follow.take();
            let last = changes.iter().rfind(|pod| name(pod) == "bare").unwrap();
            let condition = condition(last).expect("the condition came first");
            assert_eq!(
                (&condition["status"], &condition["reason"]),
                (&json!("True"), &json!("ImageNotFound"))
            );
            // The runtime was asked itself, without credentials, and says what the registry says.
            let message = condition["message"].as_str().unwrap();
            let code = match is_crio {
                false => "NotFound",
                true => "Unknown",
            };
            let says = format!("the runtime says: {code}: ");
            assert!(message.contains(&says), "{message}");
            let events = cluster.until("both Events", || async {
                let events = cluster.events("bare").await;
                (events.len() == 2).then_some(events)
            });
            let mut reasons: Vec<_> = events.await.iter().map(|e| e["reason"].clone()).collect();
            reasons.sort_by_key(ToString::to_string);
            assert_eq!(reasons, ["ImagePullFailed", "InvalidAnnotation"]);

            // The Job counts a Pod that was deleted, and ends by its limit.
            let failed = cluster.until("the Job to fail", || async {
                let job = cluster.job("a").await?;
                let conditions = job["status"]["conditions"].as_array()?.clone();
                conditions
                    .into_iter()
                    .find(|c| c["type"] == "Failed" && c["status"] == "True")
            });
            assert_eq!(failed.await["reason"], "BackoffLimitExceeded");
            // Their ends are written down a little later.
            let three = || async { (agent.reports("written").len() >= 3).then_some(()) };
            cluster.until("the ends of three reports", three).await;
            // The node may hold the deleted Pod a moment longer.
            let past = || async {
                let known = agent.explain("own-options/bare")["known"].clone();
                (known == "past").then_some(())
            };
            cluster.until("the Pod to be past", past).await;
        }
    });
}

/// A mirror answers 404 to what it does not hold, and the registry behind it is down. containerd 2.x
/// reports the mirror's 404, and earlier versions that the registry cannot be reached.
#[test]
pub fn not_found_behind_a_mirror_fails_no_pod() {
    let config =
        "mode: enforce\nimagePullFailureCount: 2\nwarmUp: 0s\nbehindMirror: [mirrored.test]\n";
    let bed = Bed::of(Group::Main);
    bed.node.push_image("options/mirrored", "1").unwrap();
    let agent = Plan::new(&bed.node, "own-mirrored", config).start();
    bed.run("own-mirrored", |cluster| {
        let agent = &agent;
        async move {
            // What the mirror holds is pulled.
            let held = format!("{MIRRORED}/options/mirrored:1");
            let main = container("main", &held);
            cluster.create(pod("held", vec![main])).await;
            let runs = || async {
                let pod = cluster.pod("held").await?;
                (phase(&pod) == "Running").then_some(())
            };
            cluster.until("the Pod to run", runs).await;
            for (name, registry) in [("missing", REGISTRY), ("mirrored", MIRRORED)] {
                let image = format!("{registry}/options/not-there:1");
                let main = container("main", &image);
                cluster.create(pod(name, vec![main])).await;
            }
            cluster.until_failed("missing").await;
            let explained = cluster.until("three failures to be counted", || async {
                let explained = agent.explain("own-mirrored/mirrored");
                let image = explained["images"][0].clone();
                (image["failures"].as_u64()? >= 3).then_some(image)
            });
            let image = explained.await;
            let error = image["error"].as_str().unwrap();
            eprintln!("{error}");
            let expected = match Cause::of("ErrImagePull", error) {
                Cause::ImageNotFound => "BehindMirror",
                cause => cause.as_str(),
            };
            assert_eq!(
                (&image["cause"], &image["class"]),
                (&json!(expected), &json!("transient"))
            );
            assert_untouched(&cluster.pod("mirrored").await.unwrap());
        }
    });
}

/// A label of the namespace lowers the mode there; the API server is asked for it.
#[test]
pub fn a_labelled_namespace_is_only_observed() {
    let config = "mode: enforce\nimagePullFailureCount: 1\nwarmUp: 0s\n";
    let rules =
        "[{selector: {matchLabels: {kubernetes.io/metadata.name: own-labelled}}, mode: observe}]";
    let bed = Bed::of(Group::Brakes);
    let plan = Plan::new(&bed.node, "own-labelled", config);
    let agent = plan.namespaces(rules).start();
    bed.run("own-labelled", |cluster| {
        let agent = &agent;
        async move {
            let image = format!("{REGISTRY}/labelled/missing:1");
            cluster
                .create(pod("a", vec![container("main", &image)]))
                .await;
            let due = || async { (!agent.reports("due").is_empty()).then_some(()) };
            cluster.until("the Event instead of the write", due).await;
            assert_untouched(&cluster.pod("a").await.unwrap());
            assert_eq!(agent.explain("own-labelled/a")["known"], "judged");
            assert_eq!(agent.explain("own-labelled/nobody")["known"], "never");
        }
    });
}

/// A Namespace's count is the default of its Pods, and of its Pods only those with a label are failed.
#[test]
pub fn a_namespace_gives_a_count_and_a_label_names_the_pods_in_scope() {
    let config =
        "mode: enforce\nimagePullFailureCount: 9\nimagePullFailureCountMin: 2\nwarmUp: 0s\n";
    let scope = "namespaceAnnotations: on, pods: [{selector: {matchLabels: {team: a}}, ownerKinds: [none]}]";
    let bed = Bed::of(Group::Brakes);
    let agent = Plan::new(&bed.node, "own-defaults", config)
        .scope(scope)
        .start();
    let image = format!("{FAULTY}/defaults/missing:1");
    bed.run("own-defaults", |cluster| {
        let (agent, image) = (&agent, &image);
        async move {
            let annotated = json!({"metadata": {"annotations": {ANNOTATION_FAILURE_COUNT: "1"}}});
            let path = "/api/v1/namespaces/own-defaults";
            cluster
                .request("PATCH", path, Some(&annotated))
                .await
                .unwrap();
            let outside = pod("outside", vec![container("main", image)]);
            cluster.create(outside).await;
            let mut inside = pod("inside", vec![container("main", image)]);
            inside["metadata"]["labels"] = json!({"team": "a"});
            cluster.create(inside).await;
            assert_failed_by_us(
                &cluster.until_failed("inside").await,
                "ImageNotFound",
                image,
            );
            let due = || async { (!agent.reports("due").is_empty()).then_some(()) };
            cluster.until("the Event instead of the write", due).await;
            assert_untouched(&cluster.pod("outside").await.unwrap());
            let notes = agent.explain("own-defaults/outside")["notes"].clone();
            assert_eq!(notes.as_array().unwrap().len(), 2, "{notes}");
        }
    });
    // The least that is allowed, not what the Namespace asks for.
    assert_eq!(agent.failures_that_decided("inside", &image), 2);
}
