//! The door to the API server itself: what a real one answers to writes that must not be made.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use pullwarden::clock::Clock;
use pullwarden::judge::{Asks, Cause, Ending, FailRequest, Outcome, PodId, Policy, Reason};
use pullwarden::report::{Guard, InForce, Permits, Step, fail};
use serde_json::{Value, json};

use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, assert_untouched};
use crate::shapes::{REGISTRY, container, pod};

/// The policy of an enforcing node.
pub fn policy() -> Policy {
    let flags = BTreeMap::from([
        ("mode", "enforce".to_owned()),
        ("nodeName", "node1".to_owned()),
        // Not in a Pod: there is no guard to be tried.
        ("kubeconfig", "/any".to_owned()),
        // Tests that are not about the fleet budget share one cluster.
        ("fleetBudget.pods", "1000".to_owned()),
        ("fleetBudget.perRegistry", "1000".to_owned()),
        ("fleetBudget.perNamespace", "1000".to_owned()),
    ]);
    pullwarden::config::load(&flags, |_| None, None)
        .unwrap()
        .policy
}

/// A verdict on a Pod as it is now.
pub fn request(pod: &Value) -> FailRequest {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    FailRequest {
        pod: PodId {
            uid: text(&pod["metadata"]["uid"]),
            namespace: text(&pod["metadata"]["namespace"]),
            name: text(&pod["metadata"]["name"]),
        },
        image: text(&pod["spec"]["containers"][0]["image"]),
        cause: Cause::ImageNotFound,
        failures: 3,
        lasting: Duration::from_secs(50),
        error: "not found".to_owned(),
        enforce: true,
        known_bad: false,
        asks: Asks::default(),
        opinion: None,
    }
}

async fn stuck(cluster: &Cluster, name: &str) -> Value {
    let image = format!("{REGISTRY}/door/missing:1");
    cluster
        .create(pod(name, vec![container("main", &image)]))
        .await;
    cluster.until_waiting(name, "ErrImagePull").await;
    cluster.pod(name).await.unwrap()
}

#[test]
fn the_door_writes_to_the_pod_that_was_condemned_and_to_no_other() {
    Bed::of(Group::Main).run("own-door", |cluster| async move {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let policy = InForce::from(policy());
        let permits = Permits::of(Guard::new(None, Clock::default()));

        let gone = request(&stuck(&cluster, "gone").await);
        cluster.delete_pod("gone").await;
        let account = fail(&cluster.client, &gone, &policy, &permits, now).await;
        assert!(
            account.ending.outcome == Outcome::Gone && account.marked == Some(false),
            "{account:?}"
        );
        assert_eq!(account.trace.len(), 1);

        let before = request(&stuck(&cluster, "replaced").await);
        cluster.delete_pod("replaced").await;
        stuck(&cluster, "replaced").await;
        let account = fail(&cluster.client, &before, &policy, &permits, now).await;
        assert!(
            account.ending == Ending::spared(&Reason::Replaced) && account.marked == Some(false),
            "{account:?}"
        );
        assert_eq!(account.trace.len(), 1, "a look, and no write");
        assert_untouched(&cluster.pod("replaced").await.unwrap());

        let due = request(&stuck(&cluster, "due").await);
        let account = fail(&cluster.client, &due, &policy, &permits, now).await;
        assert!(account.ending.outcome == Outcome::Written, "{account:?}");
        let steps: Vec<Step> = account.trace.iter().map(|trace| trace.step).collect();
        let fleet = [Step::FleetRead, Step::FleetEnter];
        let expected = [
            &[Step::Look],
            &fleet[..],
            &[Step::Condition, Step::Deadline],
        ];
        assert_eq!(steps, expected.concat());
        assert_failed_by_us(
            &cluster.until_failed("due").await,
            "ImageNotFound",
            &due.image,
        );
    });
}

#[test]
fn preconditions_are_refused_as_the_door_expects() {
    Bed::of(Group::Main).run("own-door", |cluster| async move {
        let pod = stuck(&cluster, "preconditions").await;
        let code = |result: kube::Result<Value>| match result {
            Err(kube::Error::Api(status)) => (status.code, status.message.clone()),
            other => panic!("{other:?}"),
        };
        let patch = |uid: &str, version: &str| {
            json!({"metadata": {"uid": uid, "resourceVersion": version}, "status": {"message": "x"}})
        };
        let uid = pod["metadata"]["uid"].as_str().unwrap();
        let wrong_version = cluster.patch_status("preconditions", patch(uid, "1")).await;
        assert_eq!(code(wrong_version).0, 409);
        let version = pod["metadata"]["resourceVersion"].as_str().unwrap();
        let wrong_uid = cluster.patch_status("preconditions", patch("other", version)).await;
        let (number, message) = code(wrong_uid);
        assert!(number == 422 && message.contains("metadata.uid"), "{number} {message}");
        let absent = cluster.patch_status("absent", patch(uid, version)).await;
        assert_eq!(code(absent).0, 404);
        assert_untouched(&cluster.pod("preconditions").await.unwrap());
    });
}
