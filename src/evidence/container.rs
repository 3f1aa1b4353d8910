//! One container of a Pod, from its spec and its status, and what is kept of its texts.

use std::collections::BTreeMap;

use super::core_v1::{Container, ContainerStatus, Waiting};
use crate::judge::{
    Cause, ContainerState, ContainerView, PullPolicy, may_be_same_image, names_image,
};
use crate::text::{cut, redacted};

/// Bytes of an image reference that are kept: more than the longest that can be pulled.
pub(super) const REFERENCE: usize = 1024;

/// Bytes of a reason, an annotation or an owner's name that are kept.
pub(super) const SHORT: usize = 256;

/// Views of containers, by their statuses, with so many bytes of each message. Takes time in
/// proportion to their number.
pub(super) fn zip<'a>(
    containers: &'a [Container],
    statuses: &'a [ContainerStatus],
    share: usize,
) -> impl Iterator<Item = ContainerView> + 'a {
    let statuses: BTreeMap<&str, &ContainerStatus> = statuses
        .iter()
        .rev()
        .map(|status| (status.name.as_str(), status))
        .collect();
    containers.iter().map(move |container| {
        let status = statuses.get(container.name.as_str());
        let state = match status.map(|status| &status.state) {
            Some(state) if state.running.is_some() => ContainerState::Running,
            Some(state) if state.terminated.is_some() => ContainerState::Terminated,
            _ => {
                let waiting = status.and_then(|status| waiting(container, status));
                ContainerState::Waiting {
                    reason: waiting.map_or(String::new(), |w| cut(&w.reason, SHORT)),
                    message: waiting.map_or(String::new(), |w| message(w, share)),
                }
            }
        };
        ContainerView {
            name: container.name.clone(),
            image: reference(&container.image),
            pull_policy: pull_policy(&container.image_pull_policy),
            state,
        }
    })
}

/// The waiting state, if it is about the container's image. After an image was edited the status is
/// about the old one until the kubelet's next sync.
fn waiting<'a>(container: &Container, status: &'a ContainerStatus) -> Option<&'a Waiting> {
    let waiting = status.state.waiting.as_ref()?;
    // Of a container that ran before, the status has a name that the image resolved to, perhaps
    // another tag of it. What the message names is certain.
    let is_named = || names_image(&waiting.message, &container.image) == Some(true);
    let is_about_it =
        status.image.is_empty() || may_be_same_image(&status.image, &container.image) || is_named();
    is_about_it.then_some(waiting)
}

pub(super) fn pull_policy(word: &str) -> PullPolicy {
    match word {
        "Always" => PullPolicy::Always,
        "Never" => PullPolicy::Never,
        // The API server fills in what is left out.
        _ => PullPolicy::IfNotPresent,
    }
}

/// An image reference as it is kept.
pub(super) fn reference(image: &str) -> String {
    cut(image, REFERENCE)
}

/// The message of a waiting state as it is kept. A cut may join words of the registry to those of the
/// runtime: a text that would then have another cause gets none.
fn message(waiting: &Waiting, most: usize) -> String {
    let Waiting { reason, message } = waiting;
    let kept = cut_middle(message, most);
    let is_cut = message.len() > most;
    if is_cut && Cause::of(reason, &kept) != Cause::of(reason, &redacted(message)) {
        return format!("…\n{kept}");
    }
    kept
}

/// Keeps both ends of a long message: the beginning says what was tried, the end why it failed.
fn cut_middle(text: &str, most: usize) -> String {
    // Before it is cut: half a URL could not be told any more.
    let text = redacted(text);
    if text.len() <= most {
        return text.into_owned();
    }
    let head = text.floor_char_boundary(most / 2);
    let tail = text.ceil_char_boundary(text.len() - most / 2);
    format!("{}…{}", &text[..head], &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Pod;
    use crate::judge::PodView;

    fn view(json: serde_json::Value) -> PodView {
        serde_json::from_value::<Pod>(json).unwrap().view()
    }

    /// The reason that is seen of a container of the image `spec`, whose status has the image `status`.
    fn reason(spec: &str, status: &str, message: &str) -> String {
        let view = view(serde_json::json!({
            "spec": {"initContainers": [{"name": "i", "image": spec}]},
            "status": {"initContainerStatuses": [{"name": "i", "image": status, "restartCount": 1,
                "lastState": {"terminated": {"exitCode": 1}},
                "state": {"waiting": {"reason": "ErrImagePull", "message": message}}}]},
        }));
        match &view.containers[0].state {
            ContainerState::Waiting { reason, .. } => reason.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_container_that_ran_before_is_seen_by_its_resolved_image() {
        let unnamed = "pull access denied";
        for (spec, status) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox", "sha256:00"),
            ("team/app@sha256:00", "docker.io/team/app:1"),
        ] {
            assert_eq!(reason(spec, status, unnamed), "ErrImagePull", "{status}");
        }
        // Another tag of the same image: the message tells.
        let named = r#"failed to pull and unpack image "docker.io/team/app:2": not found"#;
        let tag = "docker.io/team/app:1";
        assert_eq!(reason("team/app:2", tag, named), "ErrImagePull");
        assert_eq!(reason("team/app:2", tag, unnamed), "");
        assert_eq!(reason("team/app:3", tag, named), "");
    }

    #[test]
    fn long_texts_are_cut_at_character_boundaries() {
        let message = "é".repeat(1_000_000);
        let cut = cut_middle(&message, 8 * 1024);
        assert!(cut.len() <= 8 * 1024 + 4 && cut.contains('…'));
    }

    #[test]
    fn a_cut_gives_a_message_no_other_cause() {
        let head = r#"failed to pull and unpack image "r.test/a:1": failed to resolve image: "#;
        let body = "x".repeat(9000);
        for (text, expected) in [
            (
                format!(
                    "{head}unexpected status from GET request to https://r.test/v2/a: 503 Service Unavailable\n{body}: not found"
                ),
                Cause::RegistryUnavailable,
            ),
            (
                format!(
                    "{head}{}: 503 Service Unavailable\n{body}: not found",
                    "y".repeat(5000)
                ),
                Cause::Unrecognised,
            ),
            (
                format!(
                    "{head}failed to do request: Head \"https://r.test/{body}\": dial tcp: lookup r.test: no such host"
                ),
                Cause::HostNotFound,
            ),
        ] {
            for most in [1024, 8 * 1024] {
                let waiting = Waiting {
                    reason: "ErrImagePull".to_owned(),
                    message: text.clone(),
                };
                let kept = message(&waiting, most);
                let cause = Cause::of("ErrImagePull", &kept);
                assert!(
                    [expected, Cause::Unrecognised].contains(&cause),
                    "{cause} {most}"
                );
            }
        }
    }
}
