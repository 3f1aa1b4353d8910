//! deploy/components/job-policy: which Jobs the API server gives our rule, and where a Job with it ends.

use pullwarden::pod_fields::{CONDITION, CONDITION_UNAVAILABLE};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us};
use crate::holder::{Ask, Holder};
use crate::jobs::until_job_failed;
use crate::shapes::{REGISTRY, container, job};

/// Minor version of Kubernetes from which API servers serve MutatingAdmissionPolicy by default.
pub const SERVED_FROM: u32 = 36;

const LABELLED: &str = "job-policy";
const UNLABELLED: &str = "default";

/// Kind of a rule that a Job is given.
#[derive(Debug, PartialEq, Eq)]
enum Given {
    FailJob,
    /// The same, if no node could pull the image.
    FailGang,
    FailIndex,
    Nothing,
}

/// Jobs by what they differ in, and the rule that each is given.
fn cases() -> Vec<(&'static str, Value, Given)> {
    let own = json!([{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]);
    let indexed = json!({"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 1});
    let by_hand = json!({
        "manualSelector": true,
        "selector": {"matchLabels": {"of": "by-hand"}},
        "template": {"metadata": {"labels": {"of": "by-hand"}}},
    });
    let manager = |name: &str| json!({"managedBy": name});
    vec![
        ("nothing", json!({}), Given::FailJob),
        (
            "a failure policy",
            json!({"podFailurePolicy": {"rules": own}}),
            Given::Nothing,
        ),
        (
            "a failure policy without rules",
            json!({"podFailurePolicy": {"rules": []}}),
            Given::Nothing,
        ),
        (
            "containers that restart",
            json!({"template": {"spec": {"restartPolicy": "OnFailure"}}}),
            Given::Nothing,
        ),
        (
            "another controller",
            manager("example.com/other"),
            Given::Nothing,
        ),
        (
            "the usual controller, by name",
            manager("kubernetes.io/job-controller"),
            Given::FailJob,
        ),
        ("a limit for each index", indexed, Given::FailIndex),
        (
            "many Pods at a time",
            json!({"parallelism": 2, "completions": 2}),
            Given::FailGang,
        ),
        ("its own selector", by_hand, Given::FailJob),
        // As Kueue has it.
        ("a queue", json!({"suspend": true}), Given::FailJob),
        (
            "the default replacement, by name",
            json!({"podReplacementPolicy": "TerminatingOrFailed"}),
            Given::FailJob,
        ),
    ]
}

#[test]
fn a_new_job_of_a_labelled_namespace_ends_with_its_first_bad_pod() {
    let bed = Bed::of(Group::Main);
    bed.run(LABELLED, |cluster| {
        let bed = &bed;
        async move {
            if !applied(bed, &cluster).await {
                return;
            }
            let admin = Holder::new(cluster.client.clone());
            label(&admin).await;
            let plain = job("plain", bad(), 6);
            let given = || async {
                let spec = spec_of(&admin, LABELLED, &plain).await;
                (rule_of(&spec) == Given::FailJob).then_some(())
            };
            cluster.until("the policy to be in force", given).await;

            for (differs_in, difference, expected) in cases() {
                let mut job = plain.clone();
                merge(&mut job["spec"], &difference);
                let (mut as_sent, mut as_given) = (
                    spec_of(&admin, UNLABELLED, &job).await,
                    spec_of(&admin, LABELLED, &job).await,
                );
                let untouched = as_sent == as_given;
                assert_eq!(rule_of(&as_given), expected, "{differs_in}: {as_given}");
                assert_eq!(untouched, expected == Given::Nothing, "{differs_in}");
                assert_eq!(rule_of(&as_sent), Given::Nothing, "{differs_in}");
                for field in ["podFailurePolicy", "podReplacementPolicy"] {
                    as_sent.as_object_mut().unwrap().remove(field);
                    as_given.as_object_mut().unwrap().remove(field);
                }
                assert_eq!(as_given, as_sent, "{differs_in}: another field has changed");
            }

            // Such a Job is made anew each minute, by a controller that knows nothing of the rule.
            let suspended = json!({"suspend": true, "template": plain["spec"]["template"]});
            let cron = json!({
                "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "cron"},
                "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": suspended}},
            });
            let path = format!("POST /apis/batch/v1/namespaces/{LABELLED}/cronjobs");
            admin.ask(&Ask::new(&path, cron)).await.unwrap();
            one_bad_pod(&cluster).await;
            let made = || async {
                let jobs = cluster.jobs().await;
                let of_cron = |job: &Value| job["metadata"]["ownerReferences"][0]["name"] == "cron";
                jobs.into_iter().find(of_cron)
            };
            let made = cluster.until("the CronJob's Job", made).await;
            assert_eq!(rule_of(&made["spec"]), Given::FailJob);
        }
    });
}

/// A Job as users write it: with the default limit, which would let it make seven Pods.
async fn one_bad_pod(cluster: &Cluster) {
    let mut bad = job("bad", bad(), 0);
    bad["spec"].as_object_mut().unwrap().remove("backoffLimit");
    cluster.create(bad).await;
    let failed = until_job_failed(cluster, "bad").await;
    assert_eq!(failed["reason"], "PodFailurePolicy");
    let job = cluster.job("bad").await.unwrap();
    assert_eq!(job["spec"]["backoffLimit"], 6);
    assert_eq!(job["status"]["failed"], 1);
    let pods = cluster.pods_of("bad").await;
    assert_eq!(pods.len(), 1);
    assert_failed_by_us(&pods[0], "ImageNotFound", &image());
}

fn image() -> String {
    format!("{REGISTRY}/job-policy/missing:1")
}

fn bad() -> Value {
    container("main", &image())
}

/// Applies the component beside another object. If the API server does not serve its kind, kubectl
/// must report it and apply the other object.
async fn applied(bed: &Bed, cluster: &Cluster) -> bool {
    let folder = TempDir::new().unwrap();
    let beside = folder.path().join("beside.yaml");
    let other = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "beside", "namespace": LABELLED},
    });
    std::fs::write(&beside, other.to_string()).unwrap();
    let policy = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/deploy/components/job-policy/jobpolicy.yaml"
    );
    let mut kubectl = bed.node.kubectl();
    // Another node's API server had the same address, and kubectl remembers for hours what it served.
    kubectl.arg("--cache-dir").arg(folder.path().join("cache"));
    kubectl.args(["apply", "-f", policy, "-f"]).arg(&beside);
    let output = kubectl.output().unwrap();
    let path = format!("GET /api/v1/namespaces/{LABELLED}/configmaps/beside");
    let admin = Holder::new(cluster.client.clone());
    admin.ask(&Ask::new(&path, Value::Null)).await.unwrap();

    let is_served = bed.minor() >= SERVED_FROM;
    assert_eq!(output.status.success(), is_served, "{output:?}");
    if !is_served {
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            told.contains(r#"no matches for kind "MutatingAdmissionPolicy""#),
            "{told}"
        );
        eprintln!(
            "Kubernetes 1.{} does not serve it: not shown here",
            bed.minor()
        );
    }
    is_served
}

async fn label(admin: &Holder) {
    let labels = json!({"metadata": {"labels": {"pullwarden.io/job-policy": "enabled"}}});
    let path = format!("PATCH /api/v1/namespaces/{LABELLED}");
    admin.ask(&Ask::new(&path, labels)).await.unwrap();
}

/// The Job's spec as the API server would store it, without the names that it makes up.
async fn spec_of(admin: &Holder, namespace: &str, job: &Value) -> Value {
    let path = format!("POST /apis/batch/v1/namespaces/{namespace}/jobs?dryRun=All");
    let made = admin.ask(&Ask::new(&path, job.clone())).await.unwrap();
    let mut spec = made["spec"].clone();
    spec.as_object_mut().unwrap().remove("selector");
    let template = spec["template"].as_object_mut().unwrap();
    template.remove("metadata");
    spec
}

/// The rule of ours that a spec has, and nothing else of the kind.
fn rule_of(spec: &Value) -> Given {
    let ours = |action: &str, condition: &str| {
        json!({"rules": [{
            "action": action,
            "onPodConditions": [{"type": condition, "status": "True"}],
        }]})
    };
    let rules = [
        (Given::FailJob, ours("FailJob", CONDITION)),
        (Given::FailGang, ours("FailJob", CONDITION_UNAVAILABLE)),
        (Given::FailIndex, ours("FailIndex", CONDITION)),
    ];
    let is_given = spec["podReplacementPolicy"] == "Failed";
    let rule = rules
        .into_iter()
        .find(|(_, policy)| is_given && spec["podFailurePolicy"] == *policy);
    rule.map_or(Given::Nothing, |(given, _)| given)
}

/// A JSON merge patch, without its deletions.
fn merge(into: &mut Value, from: &Value) {
    match from.as_object() {
        Some(fields) => {
            for (key, value) in fields {
                merge(&mut into[key], value);
            }
        }
        None => *into = from.clone(),
    }
}
