//! Images that are mounted as volumes. The kubelet pulls them before a container's own image, and tells of one that fails in the states of
//! the containers that mount it: the message says which image is meant.

use std::collections::{BTreeMap, BTreeSet};

use super::container::{pull_policy, reference};
use super::core_v1::Spec;
use crate::judge::{ContainerState, ContainerView, Reference, named_image};

/// Gives each image volume that is mounted a view of its own, beside those of the containers (init, then app), as if it were one more of
/// them. What was said of a volume's image is taken from the containers that said it.
pub(super) fn told_apart(spec: &Spec, mut containers: Vec<ContainerView>) -> Vec<ContainerView> {
    if spec.volumes.iter().all(|volume| volume.image.is_none()) {
        return containers;
    }
    let mut mounting: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let all = spec.init_containers.iter().chain(&spec.containers);
    for (at, container) in all.enumerate() {
        for mount in &container.volume_mounts {
            mounting.entry(&mount.name).or_default().push(at);
        }
    }
    let told: Vec<Told> = containers.iter().map(Told::of).collect();
    for volume in &spec.volumes {
        let (Some(source), Some(by)) = (&volume.image, mounting.get(&volume.name[..])) else {
            continue;
        };
        let image = reference(&source.reference);
        let full = Reference::of(&image).to_string();
        if by.iter().any(|at| told[*at].own == full) {
            continue;
        }
        let mut state = None;
        for at in by.iter().filter(|at| told[**at].names.contains(&full)) {
            let said = std::mem::replace(&mut containers[*at].state, silence());
            state.get_or_insert(said);
        }
        let is_there = by.iter().any(|at| told[*at].has_volumes);
        containers.push(ContainerView {
            name: format!("volume/{}", volume.name),
            image,
            pull_policy: pull_policy(&source.pull_policy),
            state: match (state, is_there) {
                (Some(state), _) => state,
                (None, true) => ContainerState::Running,
                (None, false) => silence(),
            },
        });
    }
    containers
}

/// Images that the state of a container is about. References are complete here.
struct Told {
    own: String,
    /// Those in quotes, as the kubelet and the runtimes write them; none if its own is among them: what else is quoted then may be a registry's.
    names: BTreeSet<String>,
    /// It got past its pull, or as far as pulling its own image.
    has_volumes: bool,
}

impl Told {
    fn of(view: &ContainerView) -> Self {
        let full = |image| Reference::of(image).to_string();
        let mut names: BTreeSet<String> = match &view.state {
            ContainerState::Waiting { message, .. } => {
                match named_image(message) {
                    // What is quoted after it may be a registry's.
                    Some(name) => BTreeSet::from([full(name)]),
                    None => message.split('"').skip(1).map(full).collect(),
                }
            }
            ContainerState::Running | ContainerState::Terminated => BTreeSet::new(),
        };
        let own = full(&view.image);
        let pulls = names.contains(&own);
        if pulls {
            names.clear();
        }
        Self {
            has_volumes: view.is_past_pull() || pulls,
            own,
            names,
        }
    }
}

fn silence() -> ContainerState {
    ContainerState::Waiting {
        reason: String::new(),
        message: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::Pod;

    const OWN: &str = "r.test/own:1";
    const MODEL: &str = "r.test/model:1";

    fn waiting(reason: &str, message: &str) -> Value {
        json!({"waiting": {"reason": reason, "message": message}})
    }

    fn failing(image: &str) -> Value {
        let text = format!(
            "failed to pull and unpack image \"{image}\": failed to resolve image: {image}: not found"
        );
        waiting("ErrImagePull", &text)
    }

    /// View of a container `c`, the volume that it mounts and, in this state, a container that does not mount it.
    fn seen(c: &Value, volume: &str) -> Vec<(String, String, ContainerState)> {
        let pod = json!({
            "spec": {
                "volumes": [
                    {"name": "data", "emptyDir": {}},
                    {"name": "model", "image": {"reference": volume, "pullPolicy": "Always"}},
                    {"name": "unused", "image": {"reference": "r.test/unused:1"}},
                ],
                "containers": [
                    {"name": "c", "image": OWN, "volumeMounts": [{"name": "data"}, {"name": "model", "mountPath": "/m"}]},
                    {"name": "d", "image": OWN, "volumeMounts": [{"name": "data"}]},
                ],
            },
            "status": {"containerStatuses": [{"name": "c", "image": OWN, "state": c}]},
        });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let views = pod.view().containers.into_iter();
        views
            .map(|view| (view.name, view.image, view.state))
            .collect()
    }

    fn states(c: &Value) -> (ContainerState, ContainerState) {
        let [(_, _, own), (d, ..), (volume, image, state)] = seen(c, MODEL).try_into().unwrap();
        assert_eq!(
            (&d[..], &volume[..], &image[..]),
            ("d", "volume/model", MODEL)
        );
        (own, state)
    }

    fn is_failing(state: &ContainerState) -> bool {
        matches!(state, ContainerState::Waiting { reason, .. } if reason == "ErrImagePull")
    }

    #[test]
    fn a_failure_is_the_volumes_if_its_image_is_named() {
        let (own, volume) = states(&failing(MODEL));
        assert!(own == silence() && is_failing(&volume), "{own:?}");
        let pause = format!("Back-off pulling image \"{MODEL}\": ErrImagePull: {MODEL}: not found");
        let (own, volume) = states(&waiting("ImagePullBackOff", &pause));
        assert!(own == silence() && volume != silence(), "{volume:?}");
    }

    #[test]
    fn cri_o_names_the_volumes_image_from_the_first_failure_on() {
        let text = |image: &str| {
            let source =
                format!("initializing source docker://{image}: reading manifest 1 in r: no");
            format!(
                "unable to pull image or OCI artifact: pull image err: {source}; artifact err: {source}"
            )
        };
        let (own, volume) = states(&waiting("ErrImagePull", &text(MODEL)));
        assert!(own == silence() && is_failing(&volume), "{own:?}");
        let (own, volume) = states(&waiting("ErrImagePull", &text(OWN)));
        assert!(is_failing(&own) && volume == ContainerState::Running);
    }

    #[test]
    fn whoever_pulls_its_own_image_has_its_volumes() {
        let (own, volume) = states(&failing(OWN));
        assert!(
            is_failing(&own) && volume == ContainerState::Running,
            "{own:?}"
        );
    }

    #[test]
    fn what_a_registry_quotes_changes_nothing() {
        let text =
            format!("failed to pull and unpack image \"{OWN}\": denied: \"{MODEL}\" is not yours");
        let (own, volume) = states(&waiting("ErrImagePull", &text));
        assert!(is_failing(&own) && volume == ContainerState::Running);
    }

    #[test]
    fn what_a_registry_quotes_of_a_volume_changes_nothing() {
        let text =
            format!("failed to pull and unpack image \"{MODEL}\": denied: \"{OWN}\" is not yours");
        let (own, volume) = states(&waiting("ErrImagePull", &text));
        assert!(own == silence() && is_failing(&volume), "{own:?}");
    }

    #[test]
    fn whoever_is_past_its_pull_has_its_volumes() {
        for state in [
            json!({"running": {}}),
            json!({"terminated": {"exitCode": 1}}),
            waiting("CreateContainerError", "no such command"),
        ] {
            assert_eq!(states(&state).1, ContainerState::Running, "{state}");
        }
    }

    #[test]
    fn what_names_no_image_is_the_containers_own() {
        let (own, volume) = states(&waiting("ErrImagePull", "pull QPS exceeded"));
        assert!(is_failing(&own) && volume == silence());
        assert_eq!(states(&waiting("ContainerCreating", "")).1, silence());
    }

    #[test]
    fn names_are_compared_as_runtimes_complete_them() {
        let c = failing("docker.io/library/model:latest");
        let views = seen(&c, "model");
        assert!(is_failing(&views[2].2), "{views:?}");
        // A volume of the container's own image is one image.
        assert_eq!(seen(&failing(OWN), OWN).len(), 2);
    }
}
