//! A core/v1 Pod as the judge sees it.

use std::collections::BTreeMap;

use super::container::{SHORT, cut, zip};
use super::core_v1::{ANNOTATION_MIRROR, ANNOTATION_SOURCE, Condition, Pod};
use super::size::{is_too_large, message_share};
use super::volumes::told_apart;
use crate::judge::{ContainerView, Owner, Phase, PodView, RestartPolicy, Source};
use crate::pod_fields::{ANNOTATION_FAILED_AT, CONDITION, CONDITION_UNAVAILABLE, DEADLINE};

impl Pod {
    /// The Pod as the judge wants it, secrets taken out of texts and long ones cut. Whichever source it came from: one that is not the API server, or tells of the
    /// Pod for the first time, says so itself.
    pub fn view(&self) -> PodView {
        let metadata = &self.metadata.object;
        let annotations = metadata.annotations.as_ref();
        let ours = annotations.into_iter().flatten();
        let annotations = ours
            .filter(|(key, _)| ![ANNOTATION_MIRROR, ANNOTATION_SOURCE].contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), cut(value, SHORT)))
            .collect::<BTreeMap<_, _>>();
        let owners = metadata.owner_references.iter().flatten();
        let owner = owners
            .filter(|owner| owner.controller == Some(true))
            .map(|owner| Owner {
                kind: cut(&owner.kind, SHORT),
                name: cut(&owner.name, SHORT),
                uid: cut(&owner.uid, SHORT),
            })
            .next();
        let failed = self.is_true(CONDITION);
        let too_large = is_too_large(&self.spec);
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
            owner,
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

    /// Returns true if the Pod has a condition of this type with status True.
    pub fn is_true(&self, condition: &str) -> bool {
        let is = |c: &Condition| c.r#type == condition && c.status == "True";
        self.status.conditions.iter().any(is)
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
    fn an_empty_pod_is_a_view_too() {
        assert_eq!(view(serde_json::json!({})).phase, Phase::Other);
    }
}
