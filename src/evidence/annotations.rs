//! The annotations of a Pod that the judge reads. An author may write thousands: few are kept.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::container::SHORT;
use super::core_v1::{ANNOTATION_MIRROR, ANNOTATION_SOURCE, Spec};
use crate::judge::Wishes;
use crate::text::cut;

/// Most annotations that are kept for containers that the Pod does not have. `explain` shows those.
const UNKNOWN: usize = 8;

/// Returns the annotations that are kept. Those for single containers are kept for the containers of
/// the Pod, and a few others; none for a Pod that is too large to be judged.
pub(super) fn kept(
    metadata: &ObjectMeta,
    spec: &Spec,
    too_large: bool,
) -> BTreeMap<String, String> {
    let containers = spec.init_containers.iter().chain(&spec.containers);
    let names: BTreeSet<&str> = match too_large {
        true => BTreeSet::new(),
        false => containers.map(|container| &*container.name).collect(),
    };
    let mut unknown = 0;
    let mut keeps = |name: &str| match Wishes::container_of(name) {
        Some("") => true,
        Some(_) if too_large => false,
        Some(container) if names.contains(container) => true,
        Some(_) => {
            unknown += 1;
            unknown <= UNKNOWN
        }
        None => ![ANNOTATION_MIRROR, ANNOTATION_SOURCE].contains(&name),
    };
    let all = metadata.annotations.iter().flatten();
    let kept = all.filter(|(name, _)| keeps(name));
    kept.map(|(name, value)| (name.clone(), cut(value, SHORT)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::evidence::Pod;

    #[test]
    fn few_annotations_are_kept_of_many() {
        let prefix = "image-pull-failure-count.pullwarden.io";
        let name = |n: usize| format!("{prefix}/d{n}");
        let mut annotations: serde_json::Map<_, _> =
            (0..5000).map(|n| (name(n), json!("3"))).collect();
        annotations.insert("pullwarden.io/mode".to_owned(), json!("off"));
        let container = |n: usize| json!({"name": format!("d{n}"), "image": "a"});
        for (containers, kept) in [(0, 9), (1, 10), (64, 73), (65, 1)] {
            let containers: Vec<_> = (0..containers).map(|n| container(4000 + n)).collect();
            let pod = json!({
                "metadata": {"annotations": annotations},
                "spec": {"containers": containers},
            });
            let view = serde_json::from_value::<Pod>(pod).unwrap().view();
            assert_eq!(view.annotations.len(), kept, "{}", containers.len());
        }
    }
}
