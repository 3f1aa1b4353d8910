//! A core/v1 Pod as the judge sees it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::annotations;
use super::container::{SHORT, zip};
use super::core_v1::{ANNOTATION_MIRROR, ANNOTATION_SOURCE, Condition, Pod};
use super::owners;
use super::size::{is_too_large, message_share};
use super::volumes::told_apart;
use crate::judge::{ContainerView, Phase, PodView, RestartPolicy, Source};
use crate::pod_fields::{ANNOTATION_FAILED_AT, CONDITION, CONDITION_UNAVAILABLE, DEADLINE};
use crate::text::cut;

impl Pod {
    /// The Pod as the judge wants it, secrets taken out of texts and long ones cut. Whichever source it came from: one that is not the API server, or tells of the
    /// Pod for the first time, says so itself.
    pub fn view(&self) -> PodView {
        let metadata = &self.metadata.object;
        let failed = self.is_true(CONDITION);
        let too_large = is_too_large(&self.spec, self.metadata.labels);
        let annotations = annotations::kept(metadata, &self.spec, too_large);
        PodView {
            uid: metadata.uid.clone().unwrap_or_default(),
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            node: self.spec.node_name.clone(),
            phase: match self.status.phase.as_str() {
                "Pending" => Phase::Pending,
                "Running" | "Succeeded" => Phase::Started,
                _ => Phase::Other,
            },
            deleting: metadata.deletion_timestamp.is_some(),
            mirror: self.is_mirror(),
            restart_policy: match self.spec.restart_policy.as_str() {
                "Never" => RestartPolicy::Never,
                "OnFailure" => RestartPolicy::OnFailure,
                _ => RestartPolicy::Always,
            },
            ending: self.spec.active_deadline_seconds == Some(DEADLINE)
                && (annotations.contains_key(ANNOTATION_FAILED_AT)
                    || failed && !self.may_be_annotated()),
            annotations,
            labels: match too_large {
                true => BTreeMap::new(),
                false => self.labels(),
            },
            owner: owners::owner(metadata),
            top: owners::top(metadata),
            marked: failed || self.is_true(CONDITION_UNAVAILABLE),
            source: Source::ApiServer,
            first: false,
            too_large,
            containers: match too_large {
                true => Vec::new(),
                false => self.containers(),
            },
        }
    }

    /// Returns the owners that may get an Event about the Pod, the nearest first.
    pub fn owners(&self) -> Vec<OwnerReference> {
        owners::with_events(&self.metadata.object)
    }

    /// Returns true if the Pod has a condition of this type with status True.
    pub fn is_true(&self, condition: &str) -> bool {
        let is = |c: &Condition| c.r#type == condition && c.status == "True";
        self.status.conditions.iter().any(is)
    }

    /// Returns the reason of a condition that is True, and the time since which it is.
    pub fn why_true(&self, condition: &str) -> Option<(&str, Option<Timestamp>)> {
        let is = |c: &&Condition| c.r#type == condition && c.status == "True";
        let found = self.status.conditions.iter().find(is)?;
        Some((&found.reason, found.last_transition_time.parse().ok()))
    }

    /// Returns the time at which the Pod was bound to its node, or else the time at which it was
    /// made.
    pub fn bound_at(&self) -> Option<Timestamp> {
        let scheduled = self.why_true("PodScheduled");
        let made = self.metadata.object.creation_timestamp.as_ref();
        let made = made.map(|time| time.0);
        scheduled.and_then(|(_, since)| since).or(made)
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let labels = self.metadata.object.labels.iter().flatten();
        labels
            .map(|(name, value)| (name.clone(), cut(value, SHORT)))
            .collect()
    }

    fn containers(&self) -> Vec<ContainerView> {
        let Self { spec, status, .. } = self;
        let share = message_share(spec);
        let init = zip(
            &spec.init_containers,
            &status.init_container_statuses,
            share,
        );
        let app = zip(&spec.containers, &status.container_statuses, share);
        told_apart(spec, init.chain(app).collect())
    }

    fn is_mirror(&self) -> bool {
        let annotations = self.metadata.object.annotations.as_ref();
        annotations.is_some_and(|all| {
            let source = all.get(ANNOTATION_SOURCE);
            all.contains_key(ANNOTATION_MIRROR) || source.is_some_and(|source| source != "api")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::ContainerState;
    use crate::pod_fields::MOST_ANNOTATIONS;

    fn view(json: serde_json::Value) -> PodView {
        serde_json::from_value::<Pod>(json).unwrap().view()
    }

    #[test]
    fn a_pod_with_many_annotations_ends_without_ours() {
        let pod = |annotations: usize, condition: &str| {
            let annotations: serde_json::Map<_, _> = (0..annotations)
                .map(|n| (format!("a{n}"), "".into()))
                .collect();
            view(serde_json::json!({
                "metadata": {"annotations": annotations},
                "spec": {"activeDeadlineSeconds": 1},
                "status": {"conditions": [{"type": CONDITION, "status": condition}]},
            }))
        };
        assert!(pod(MOST_ANNOTATIONS + 1, "True").ending);
        assert!(!pod(MOST_ANNOTATIONS + 1, "False").ending);
        // Of these the annotation tells.
        assert!(!pod(MOST_ANNOTATIONS, "True").ending);
    }

    #[test]
    fn either_condition_marks_a_pod() {
        let marked = |kind: &str, status: &str| {
            let condition = serde_json::json!({"type": kind, "status": status});
            view(serde_json::json!({"status": {"conditions": [condition]}})).marked
        };
        assert!(marked(CONDITION, "True") && marked(CONDITION_UNAVAILABLE, "True"));
        assert!(!marked(CONDITION_UNAVAILABLE, "False") && !marked("Ready", "True"));
    }

    #[test]
    fn reads_what_the_judge_needs() {
        let view = view(serde_json::json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "7",
                "annotations": {"pullwarden.io/mode": "off", "other": "x"}, "managedFields": [{"manager": 5}],
                "ownerReferences": [{"apiVersion": "v1", "kind": "Job", "name": "j", "uid": "o", "controller": true}]},
            "spec": {"nodeName": "node1", "restartPolicy": "Never", "unknown": {},
                "initContainers": [{"name": "i", "image": "a"}], "containers": [{"name": "c", "image": "b"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 0}}}],
                "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ErrImagePull", "message": "m"}}}]},
        }));
        assert_eq!(view.annotations.len(), 1);
        assert_eq!(view.owner.unwrap().uid, "o");
        assert_eq!(view.containers[0].state, ContainerState::Terminated);
        let expected = ContainerState::Waiting {
            reason: "ErrImagePull".to_owned(),
            message: "m".to_owned(),
        };
        assert_eq!(view.containers[1].state, expected);
        assert!(!view.marked && !view.ending && !view.mirror);
    }

    #[test]
    fn secrets_are_taken_out_before_texts_are_cut() {
        let url = format!("https://u:hunter2@r.test/{}?sig=hunter2", "a".repeat(5000));
        let view = view(serde_json::json!({
            "metadata": {"annotations": {"pullwarden.io/mode": url}},
            "spec": {"containers": [{"name": "c", "image": url}]},
            "status": {"containerStatuses": [{"name": "c", "image": url,
                "state": {"waiting": {"reason": url, "message": url}}}]},
        }));
        let text = serde_json::to_string(&view).unwrap();
        assert!(!text.contains("hunter2") && text.contains("https://…@r.test"));
    }

    #[test]
    fn a_pod_holds_its_node_since_it_was_bound() {
        let bound = |conditions: serde_json::Value| {
            let pod = serde_json::json!({
                "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
                "status": {"conditions": conditions},
            });
            let pod: Pod = serde_json::from_value(pod).unwrap();
            pod.bound_at().unwrap().to_string()
        };
        let scheduled = |status: &str, at: &str| serde_json::json!([{"type": "PodScheduled", "status": status, "lastTransitionTime": at}]);
        let at = "2026-01-02T00:00:00Z";
        assert_eq!(bound(scheduled("True", at)), at);
        for conditions in [
            scheduled("False", at),
            scheduled("True", "soon"),
            serde_json::json!([]),
        ] {
            assert_eq!(bound(conditions), "2026-01-01T00:00:00Z");
        }
    }

    #[test]
    fn an_empty_pod_is_a_view_too() {
        assert_eq!(view(serde_json::json!({})).phase, Phase::Other);
    }
}
