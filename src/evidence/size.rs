//! The size of what is kept of one Pod. An author may write a Pod of a megabyte, and make many: their
//! views, counts and log lines must not fill the agent's memory or push everybody's lines out of
//! the log.

use std::collections::BTreeSet;

use super::container::REFERENCE;
use super::core_v1::{LABELS, Spec, Volume};

/// Most containers of a Pod that is judged. An image volume counts as one.
const CONTAINERS: usize = 64;

/// Most different images.
const IMAGES: usize = 32;

/// Most bytes of all names and image references together.
const NAMES: usize = 8 * 1024;

/// Bytes that all waiting messages may take together. Each may have the same share of them.
const MESSAGES: usize = 64 * 1024;

/// Smallest and largest share of one message, in bytes.
const SHARE: (usize, usize) = (1024, 8 * 1024);

/// Returns whether a Pod with so many bytes of labels is too large to be judged. Containers cannot be
/// added to a Pod, so it stays so unless images or labels are edited.
pub(super) fn is_too_large(spec: &Spec, labels: usize) -> bool {
    let containers = count(spec);
    // A Pod may have thousands: these are not looked at one by one.
    if containers > CONTAINERS || labels > LABELS {
        return true;
    }
    let own = spec.init_containers.iter().chain(&spec.containers);
    let own = own.map(|container| (&container.name, &container.image));
    let mounted = spec.volumes.iter().filter_map(|volume| {
        let image = volume.image.as_ref()?;
        Some((&volume.name, &image.reference))
    });
    let mut images = BTreeSet::new();
    let mut bytes = 0;
    for (name, image) in own.chain(mounted) {
        images.insert(image);
        bytes += name.len() + image.len().min(REFERENCE);
    }
    images.len() > IMAGES || bytes > NAMES
}

/// Returns the bytes that are kept of each waiting message. The more containers a Pod has, the fewer.
pub(super) fn message_share(spec: &Spec) -> usize {
    (MESSAGES / count(spec).max(1)).clamp(SHARE.0, SHARE.1)
}

fn count(spec: &Spec) -> usize {
    let is_image = |volume: &&Volume| volume.image.is_some();
    let volumes = spec.volumes.iter().filter(is_image).count();
    spec.init_containers.len() + spec.containers.len() + volumes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::evidence::Pod;
    use crate::judge::PodView;

    /// A Pod of so many containers, of so many images, each with a waiting message of that length.
    fn view(containers: usize, images: usize, message: usize) -> PodView {
        let name = |n: usize| format!("c{n}");
        let image = |n: usize| format!("r.test/image{}:1", n % images);
        let spec = |n| json!({"name": name(n), "image": image(n)});
        let message = "m".repeat(message);
        let status = |n| {
            json!({"name": name(n), "image": image(n),
                "state": {"waiting": {"reason": "ErrImagePull", "message": message}}})
        };
        let pod = json!({
            "spec": {"containers": (0..containers).map(spec).collect::<Vec<_>>()},
            "status": {"containerStatuses": (0..containers).map(status).collect::<Vec<_>>()},
        });
        serde_json::from_value::<Pod>(pod).unwrap().view()
    }

    #[test]
    fn a_pod_of_many_containers_or_images_is_too_large() {
        for (containers, images, expected) in [
            (1, 1, false),
            (64, 32, false),
            (65, 1, true),
            (33, 33, true),
            (5000, 5000, true),
        ] {
            let view = view(containers, images, 10);
            assert_eq!(view.too_large, expected, "{containers} {images}");
            assert_eq!(view.containers.is_empty(), expected);
        }
    }

    #[test]
    fn image_volumes_count_as_containers_do() {
        let volume =
            |n: usize| json!({"name": format!("v{n}"), "image": {"reference": "r.test/a"}});
        for (volumes, expected) in [(63, false), (64, true)] {
            let volumes: Vec<_> = (0..volumes).map(volume).collect();
            let pod =
                json!({"spec": {"volumes": volumes, "containers": [{"name": "c", "image": "a"}]}});
            let view = serde_json::from_value::<Pod>(pod).unwrap().view();
            assert_eq!(view.too_large, expected);
        }
    }

    #[test]
    fn labels_are_kept_unless_they_make_a_pod_too_large() {
        for (labels, expected) in [(0, false), (3, false), (60, false), (200, true)] {
            let label = |n: usize| (format!("example.test/label-{n}"), "v".repeat(60).into());
            let labels: serde_json::Map<_, _> = (0..labels).map(label).collect();
            let pod = json!({"metadata": {"labels": labels}});
            let view = serde_json::from_value::<Pod>(pod).unwrap().view();
            assert_eq!(view.too_large, expected);
            let kept = if expected { 0 } else { labels.len() };
            assert_eq!(view.labels.len(), kept);
        }
    }

    #[test]
    fn long_references_make_a_pod_too_large() {
        let container =
            |n: usize| json!({"name": "c", "image": format!("{n}{}", "a".repeat(5000))});
        for (containers, expected) in [(7, false), (8, true)] {
            let containers: Vec<_> = (0..containers).map(container).collect();
            let pod = json!({"spec": {"containers": containers}});
            let view = serde_json::from_value::<Pod>(pod).unwrap().view();
            assert_eq!(view.too_large, expected);
        }
    }

    #[test]
    fn a_view_is_small_however_long_its_messages_are() {
        for containers in [1, 2, 8, 9, 20, 64] {
            let view = view(containers, 32, 100_000);
            assert!(!view.too_large);
            let bytes = serde_json::to_vec(&view).unwrap().len();
            assert!(bytes < 90 * 1024, "{bytes} for {containers}");
        }
        // Few containers keep long messages.
        let one = serde_json::to_vec(&view(1, 1, 8000)).unwrap().len();
        assert!(one > 8000);
    }

    #[test]
    fn the_owner_of_a_pod_is_kept_short() {
        let long = "o".repeat(100_000);
        let owner = json!([{"apiVersion": "v1", "kind": long, "name": long, "uid": long, "controller": true}]);
        let pod = json!({"metadata": {"ownerReferences": owner}});
        let view = serde_json::from_value::<Pod>(pod).unwrap().view();
        assert!(serde_json::to_vec(&view).unwrap().len() < 2000);
    }
}
