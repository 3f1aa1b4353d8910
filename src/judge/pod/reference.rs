//! Image references, compared as container runtimes resolve them.

use std::fmt;

/// Parts of an image reference, with the defaults that runtimes fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Host of the registry, with its port if the reference has one.
    pub registry: &'a str,
    /// Repository in the registry; for Docker Hub's own images without `library/`.
    pub repository: &'a str,
    /// `:tag` or `@digest`.
    version: &'a str,
}

/// Registry of references that name none.
const DOCKER_HUB: &str = "docker.io";

impl<'a> Reference<'a> {
    /// Parses a reference. A text that is no reference gives parts that equal those of no real one.
    pub fn of(image: &'a str) -> Self {
        let (registry, rest) = split(image).unwrap_or((DOCKER_HUB, image));
        let registry = match registry {
            "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
            other => other,
        };
        // A digest says more than a tag beside it.
        let (name, version) = match rest.find('@') {
            Some(at) => (&rest[..at], &rest[at..]),
            None => (rest, ""),
        };
        let colon = name.rfind(':').filter(|at| !name[*at..].contains('/'));
        let (name, tag) = colon.map_or((name, ":latest"), |at| name.split_at(at));
        let repository = match registry {
            DOCKER_HUB => name.strip_prefix("library/").unwrap_or(name),
            _ => name,
        };
        Self {
            registry,
            repository,
            version: if version.is_empty() { tag } else { version },
        }
    }
}

/// Returns whether a reference names its registry. A short name does not.
pub fn names_registry(image: &str) -> bool {
    split(image).is_some()
}

/// Returns the registry that a reference names, and the rest.
fn split(image: &str) -> Option<(&str, &str)> {
    let (host, rest) = image.split_once('/')?;
    let is_host = host.contains(['.', ':']) || host == "localhost";
    is_host.then_some((host, rest))
}

/// Returns whether two texts may name the same image. An image ID may be any image, and a digest may
/// be any tag of its repository.
pub fn may_be_same_image(a: &str, b: &str) -> bool {
    let is_id = |image: &str| image.starts_with("sha256:");
    if is_id(a) || is_id(b) {
        return true;
    }
    let (a, b) = (Reference::of(a), Reference::of(b));
    let is_digest = |reference: &Reference<'_>| reference.version.starts_with('@');
    let is_same_version = a.version == b.version || is_digest(&a) != is_digest(&b);
    (a.registry, a.repository) == (b.registry, b.repository) && is_same_version
}

impl fmt::Display for Reference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.registry, self.repository, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_filled_in() {
        for (image, expected) in [
            ("nginx", "docker.io/nginx:latest"),
            ("docker.io/library/nginx", "docker.io/nginx:latest"),
            ("index.docker.io/library/nginx:1", "docker.io/nginx:1"),
            ("team/app:1", "docker.io/team/app:1"),
            ("localhost/app", "localhost/app:latest"),
            ("127.0.0.1:5000/a/b:1", "127.0.0.1:5000/a/b:1"),
            ("r.example/a", "r.example/a:latest"),
            ("r.example/a:1@sha256:00", "r.example/a@sha256:00"),
            ("r.example/a@sha256:00", "r.example/a@sha256:00"),
            ("", "docker.io/:latest"),
        ] {
            assert_eq!(Reference::of(image).to_string(), expected, "{image}");
        }
    }

    #[test]
    fn images_are_compared_by_their_resolved_names() {
        for (a, b, expected) in [
            ("busybox", "docker.io/library/busybox:latest", true),
            ("team/app:1", "docker.io/team/app:1", true),
            ("team/app:1", "docker.io/team/app:2", false),
            ("busybox", "docker.io/library/alpine:latest", false),
            ("busybox", "r.test/busybox:latest", false),
            ("r.test/a@sha256:00", "r.test/a:1", true),
            ("r.test/a:1@sha256:00", "r.test/a@sha256:00", true),
            ("r.test/a@sha256:00", "r.test/a@sha256:01", false),
            ("r.test/a@sha256:00", "r.test/b:1", false),
            ("r.test/a:1", "sha256:00", true),
        ] {
            assert_eq!(may_be_same_image(a, b), expected, "{a} {b}");
            assert_eq!(may_be_same_image(b, a), expected, "{b} {a}");
        }
    }
}
