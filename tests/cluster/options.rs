use serde_json::json;

use crate::agent::Plan;
use crate::bed::{Bed, Group};
use crate::cluster::{assert_untouched, condition, name};
use crate::shapes::{REGISTRY, container, job, pod};

#[test]
fn deleting_instead_and_namespaces_by_label() {
    let config =
        "mode: enforce\naction: delete\nimagePullFailureCount: 2\nwarmUp: 0s\nsecondOpinion: on\n";
    let bed = Bed::of(Group::Main);
    let agent = Plan::new(&bed.node, "own-options", config).start();
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
            assert!(
                message.contains("the runtime says: NotFound: "),
                "{message}"
            );
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
            assert_eq!(agent.explain("own-options/bare")["known"], "past");
        }
    });
}

/// A label of the namespace lowers the mode there; the API server is asked for it.
#[test]
fn a_labelled_namespace_is_only_observed() {
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
