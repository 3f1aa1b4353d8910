//! The image that a waiting message is about.

use super::{containerd, crio, kubelet};
use crate::judge::pod::reference::{Reference, names_registry};

/// Longest name that is compared, in bytes. No image with a longer one can be pulled.
const LONGEST: usize = 512;

/// Returns the image that a waiting message is about, if the message begins with its name.
/// A name with escapes, or with something taken out, cannot be compared and is none.
pub fn named_image(message: &str) -> Option<&str> {
    // With several credentials the message is a list of errors, all about one image.
    let mut text = message.strip_prefix('[').unwrap_or(message);
    while let Some(rest) = text.strip_prefix("rpc error: code = ") {
        text = rest.split_once(" desc = ")?.1;
    }
    let mut heads = kubelet::BEFORE_IMAGE.iter().chain(containerd::BEFORE_IMAGE);
    let name = match heads.find_map(|head| text.strip_prefix(head)) {
        Some(rest) => rest.strip_prefix('"')?.split_once('"')?.0,
        None => match text.strip_prefix(kubelet::UNAVAILABLE.0) {
            Some(rest) => rest.split_once(kubelet::UNAVAILABLE.1)?.0,
            None => crio::named_image(text)?,
        },
    };
    let is_whole = !name.is_empty() && name.len() <= LONGEST && !name.contains(['\\', '…']);
    is_whole.then_some(name)
}

/// Returns whether a waiting message is about this image; `None` if it does not say. CRI-O names the
/// image that it has found for a short name, which may be any.
pub fn names_image(message: &str, image: &str) -> Option<bool> {
    if !names_registry(image) && crio::may_be_searched(message) {
        return None;
    }
    named_image(message).map(|name| Reference::of(name) == Reference::of(image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelet_and_containerd_begin_with_the_image() {
        for head in [
            "Back-off pulling image ",
            "Container image ",
            "failed to pull and unpack image ",
            "rpc error: code = NotFound desc = failed to pull and unpack image ",
            "[rpc error: code = Unknown desc = failed to pull and unpack image ",
        ] {
            let message = format!("{head}\"docker.io/library/nginx:latest\": \"other\" and more");
            assert_eq!(names_image(&message, "nginx"), Some(true), "{head}");
            assert_eq!(names_image(&message, "nginx:2"), Some(false), "{head}");
        }
    }

    #[test]
    fn cri_o_names_the_image_without_quotes() {
        let source = "initializing source docker://r.test:5000/a:1: reading manifest 1 in r.test:5000/a: \
                      unknown: \"r.test:5000/b:1\"";
        for frame in [
            "",
            "unable to pull image: ",
            "unable to pull image or OCI artifact: pull image err: ",
            "RegistryUnavailable: ",
            "RegistryUnavailable: unable to pull image or OCI artifact: pull image err: ",
            "rpc error: code = Unknown desc = ",
        ] {
            let message = format!("{frame}{source}");
            let named = |image: &str| names_image(&message, image);
            assert_eq!(named("r.test:5000/a:1"), Some(true), "{message}");
            assert_eq!(named("r.test:5000/b:1"), Some(false), "{message}");
            // A short name may have been found anywhere.
            assert_eq!(named("a:1"), None, "{message}");
        }
    }

    #[test]
    fn the_kubelet_names_the_image_of_a_registry_that_is_not_available() {
        let message = "image pull failed for r.test:5000/a:1 because the registry is unavailable: unable to pull image: x";
        assert_eq!(names_image(message, "r.test:5000/a:1"), Some(true));
        assert_eq!(names_image(message, "r.test:5000/b:1"), Some(false));
    }

    #[test]
    fn what_cannot_be_compared_is_no_name() {
        for message in [
            "",
            "pull QPS exceeded",
            "denied: \"nginx\" is not yours",
            "Back-off pulling image ",
            "Back-off pulling image \"nginx",
            "Failed to inspect image \"\": no answer",
            "Failed to apply default image tag \"a\\\"b\": no name",
            "Container image \"https://…@r.test/a\" is not present",
            "rpc error: code = NotFound",
            "initializing source docker://r.test/nginx",
            "reading manifest 1 in r.test/nginx: docker://r.test/nginx: no",
        ] {
            assert_eq!(names_image(message, "nginx"), None, "{message}");
        }
        let long = format!("Back-off pulling image \"{}\"", "a".repeat(2000));
        assert_eq!(names_image(&long, "nginx"), None);
    }
}
