//! Owners of a Pod, as far as the Pod itself names them: its controller, and the top of the chain.
//! No request is made for them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::container::SHORT;
use super::core_v1::{JOB_SET, PIPELINE_RUN};
use crate::judge::Owner;
use crate::text::{cut, is_hidden};

/// Kinds whose controllers label all Pods below them: the API version, the kind, and the labels with
/// the name and the UID.
const LABELLED: [(&str, &str, [&str; 2]); 2] = [
    ("jobset.x-k8s.io/v1alpha2", "JobSet", JOB_SET),
    ("tekton.dev/v1", "PipelineRun", PIPELINE_RUN),
];

/// Longest name or kind of an owner that gets an Event, in bytes: as long as a name may be.
const NAME: usize = 253;

/// Longest UID of an owner that gets an Event, in bytes. Those of the API server have 36.
const UID: usize = 64;

/// Fewest digits at the end of a name that a CronJob gives to its Jobs: the minutes since 1970.
const MINUTES: usize = 8;

/// Returns the controlling owner.
fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let mut owners = metadata.owner_references.iter().flatten();
    owners.find(|owner| owner.controller == Some(true))
}

/// Returns the controlling owner as the judge wants it.
pub(super) fn owner(metadata: &ObjectMeta) -> Option<Owner> {
    controller(metadata).map(|owner| Owner {
        kind: cut(&owner.kind, SHORT),
        name: cut(&owner.name, SHORT),
        uid: cut(&owner.uid, SHORT),
    })
}

/// Returns the owner that the labels name. Whoever makes a Pod may write any labels.
fn labelled(metadata: &ObjectMeta) -> Option<OwnerReference> {
    let labels = metadata.labels.as_ref()?;
    LABELLED.iter().find_map(|(api_version, kind, of)| {
        let (name, uid) = (labels.get(of[0])?, labels.get(of[1])?);
        let is_digit = |c: char| c.is_ascii_hexdigit() || c == '-';
        (!uid.is_empty() && uid.chars().all(is_digit)).then(|| OwnerReference {
            api_version: (*api_version).to_owned(),
            kind: (*kind).to_owned(),
            name: name.clone(),
            uid: uid.to_ascii_lowercase(),
            ..OwnerReference::default()
        })
    })
}

/// Returns whether a text may be a UID. It becomes a part of an Event's name.
fn is_uid(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=UID).contains(&text.len()) && text.chars().all(is_plain)
}

/// Returns whether a text may be a name or a kind. The API server only asks for one that is not empty.
fn is_name(text: &str) -> bool {
    text.len() <= NAME && !text.chars().any(is_hidden)
}

/// Returns a text that is the same for all Pods below the same top of the chain; `None` if the Pod
/// names no owner above its controller. Two namespaces have none in common.
pub(super) fn top(metadata: &ObjectMeta) -> Option<String> {
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let top = match labelled(metadata) {
        Some(owner) => format!("{namespace}/{}/{}", owner.kind, owner.uid),
        None => format!("{namespace}/CronJob/{}", cron_job(controller(metadata)?)?),
    };
    Some(cut(&top, SHORT))
}

/// Returns the owners that may get an Event about the Pod: its controller, and the one that its labels
/// name. A CronJob is not among them: its UID is not known. Whoever makes a Pod may write any owner, so
/// that one with an odd UID, kind or name gets none.
pub(super) fn with_events(metadata: &ObjectMeta) -> Vec<OwnerReference> {
    let mut owners: Vec<_> = controller(metadata).cloned().into_iter().collect();
    let is_new = |owner: &OwnerReference| owners.iter().all(|known| known.uid != owner.uid);
    let labelled = labelled(metadata).filter(is_new);
    owners.extend(labelled);
    owners.retain(|owner| {
        let names = [&owner.api_version, &owner.kind, &owner.name];
        is_uid(&owner.uid) && names.into_iter().all(|name| is_name(name))
    });
    owners
}

/// Returns the name of the CronJob that has made a Job, by the Job's name.
fn cron_job(job: &OwnerReference) -> Option<&str> {
    let (name, minutes) = job.name.rsplit_once('-')?;
    let is_time = minutes.len() >= MINUTES && minutes.bytes().all(|b| b.is_ascii_digit());
    (job.kind == "Job" && is_time).then_some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(labels: &Value, kind: &str, name: &str) -> ObjectMeta {
        let owner = json!({"apiVersion": "batch/v1", "kind": kind, "name": name, "uid": "o", "controller": true});
        let metadata = json!({"namespace": "team-a", "labels": labels, "ownerReferences": [owner]});
        serde_json::from_value(metadata).unwrap()
    }

    #[test]
    fn labels_name_the_top() {
        let labels = json!({"jobset.sigs.k8s.io/jobset-name": "a", "jobset.sigs.k8s.io/jobset-uid": "5E-1f", "other": "x"});
        let of = pod(&labels, "Job", "a-workers-0");
        assert_eq!(top(&of).as_deref(), Some("team-a/JobSet/5e-1f"));
        let owners = with_events(&of);
        let owners = owners.iter().map(|o| (&*o.api_version, &*o.kind, &*o.uid));
        let expected = [
            ("batch/v1", "Job", "o"),
            ("jobset.x-k8s.io/v1alpha2", "JobSet", "5e-1f"),
        ];
        assert_eq!(owners.collect::<Vec<_>>(), expected);
        let labels = json!({"tekton.dev/pipelineRun": "r", "tekton.dev/pipelineRunUID": "7"});
        let of = pod(&labels, "TaskRun", "r-build");
        assert_eq!(top(&of).as_deref(), Some("team-a/PipelineRun/7"));
    }

    #[test]
    fn labels_that_are_no_uid_name_nothing() {
        for uid in ["", "a/b", "../..", "A_B", "xyz"] {
            let labels = json!({"jobset.sigs.k8s.io/jobset-name": "a", "jobset.sigs.k8s.io/jobset-uid": uid});
            let of = pod(&labels, "Job", "a");
            assert_eq!((top(&of), with_events(&of).len()), (None, 1), "{uid}");
        }
    }

    #[test]
    fn an_odd_owner_gets_no_event() {
        let events = |key: &str, value: &str| {
            let mut owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "a", "uid": "5e-1f", "controller": true});
            owner[key] = value.into();
            let metadata = json!({"namespace": "team-a", "ownerReferences": [owner]});
            with_events(&serde_json::from_value(metadata).unwrap()).len()
        };
        assert_eq!(events("name", "b"), 1);
        let long = "a".repeat(1_300_000);
        for key in ["apiVersion", "kind", "name", "uid"] {
            for value in [&long, "Job\n2026-01-01 INFO Pod failed", "\u{1b}[2J"] {
                assert_eq!(events(key, value), 0, "{key}");
            }
        }
        assert_eq!(events("uid", "A/B"), 0);
    }

    #[test]
    fn a_cron_jobs_jobs_are_known_by_their_names() {
        let top = |kind: &str, name: &str| super::top(&pod(&json!({}), kind, name));
        let expected = Some("team-a/CronJob/nightly-build".to_owned());
        assert_eq!(top("Job", "nightly-build-29412345"), expected);
        assert_eq!(top("Job", "nightly-build-29412346"), expected);
        for (kind, name) in [
            ("ReplicaSet", "nightly-build-29412345"),
            ("Job", "nightly-build-2941234"),
            ("Job", "nightly-build-2941234a"),
            ("Job", "29412345"),
        ] {
            assert_eq!(top(kind, name), None, "{kind} {name}");
        }
    }
}
