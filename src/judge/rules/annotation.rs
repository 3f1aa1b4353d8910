//! The annotations by which a Pod asks for other rules, in one table.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use super::counts::Counts;
use crate::judge::PodView;
use crate::text::Shown;

/// Mode of one Pod.
pub const ANNOTATION_MODE: &str = "pullwarden.io/mode";

/// The Pod's own `imagePullFailureCount`.
pub const ANNOTATION_FAILURE_COUNT: &str = "pullwarden.io/image-pull-failure-count";

/// End of an annotation's name that stands for the name of a container.
const CONTAINER: &str = "CONTAINER";

/// An annotation that the judge reads.
#[derive(Clone, Copy, Debug)]
pub struct Annotation {
    /// Name. It ends in `CONTAINER` if it is about one container, whose name stands there.
    pub name: &'static str,
    /// Values that it takes, for people.
    pub takes: &'static str,
    /// Meaning, for docs/configuration.md.
    pub about: &'static str,
    /// Reads a value into the wishes, beside the container's name. `None` if it is not one of those.
    read: fn(&mut Wishes, &str, &str) -> Option<()>,
}

impl Annotation {
    /// Returns the container that an annotation of this name is about, empty if it is about the Pod;
    /// `None` if it is another annotation.
    fn container_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        match self.name.strip_suffix(CONTAINER) {
            Some(prefix) => name.strip_prefix(prefix),
            None => (name == self.name).then_some(""),
        }
    }
}

/// All annotations that the judge reads.
pub static ANNOTATIONS: [Annotation; 3] = [
    Annotation {
        name: ANNOTATION_MODE,
        takes: "off, observe or enforce",
        about: "The most that the agent may do to this Pod. A Pod can lower the node's mode, but not \
                raise it. In mode `opt-in` the agent fails only Pods with `enforce`.",
        read: |wishes, _, value| {
            let modes = [PodMode::Off, PodMode::Observe, PodMode::Enforce];
            let mode = modes.into_iter().find(|mode| mode.as_str() == value)?;
            wishes.mode = Some(mode);
            Some(())
        },
    },
    Annotation {
        name: ANNOTATION_FAILURE_COUNT,
        takes: "a whole number from 1",
        about: "Consecutive failures after which the agent fails the Pod. The count takes the \
                place of the node's count and thresholds. The agent then judges the Pod whatever \
                its `restartPolicy` is.",
        read: |wishes, _, value| {
            wishes.count = Some(count(value)?);
            Some(())
        },
    },
    Annotation {
        name: "image-pull-failure-count.pullwarden.io/CONTAINER",
        takes: "a whole number from 1",
        about: "The same for the image of one container, in place of the Pod's count. \
                `CONTAINER` is the name of an init container, sidecar or container of the Pod. \
                If several containers share the image, the lowest of their counts counts.",
        read: |wishes, container, value| {
            let count = count(value)?;
            wishes.containers.insert(container.to_owned(), count);
            Some(())
        },
    },
];

fn count(value: &str) -> Option<NonZeroU32> {
    // Rust would take a sign too.
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| digits)
}

/// Mode of a Pod, or of the Pods of a namespace: the most that the agent may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodMode {
    /// Nothing: the Pod is not even judged.
    Off,
    /// Announce the Pods that it would fail.
    Observe,
    /// Everything that the node's mode allows.
    Enforce,
}

impl PodMode {
    /// Returns the word used in annotations and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// Rules that a Pod asks for by its annotations. The agent ignores a value that it cannot read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `pullwarden.io/mode`.
    pub mode: Option<PodMode>,
    /// `pullwarden.io/image-pull-failure-count`.
    pub count: Option<NonZeroU32>,
    /// `image-pull-failure-count.pullwarden.io/CONTAINER`, by the container's name.
    pub containers: BTreeMap<String, NonZeroU32>,
    /// Values that cannot be read.
    pub complaints: Vec<Complaint>,
}

/// An annotation whose value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Name of the annotation.
    pub annotation: String,
    /// Its value.
    pub value: String,
    /// Values that it takes, for people.
    pub takes: &'static str,
}

impl Wishes {
    /// Reads a Pod's annotations.
    pub fn of(annotations: &BTreeMap<String, String>) -> Self {
        let mut wishes = Self::default();
        for annotation in &ANNOTATIONS {
            for (name, value) in annotations {
                let Some(container) = annotation.container_of(name) else {
                    continue;
                };
                if (annotation.read)(&mut wishes, container, value).is_none() {
                    wishes.complaints.push(Complaint {
                        annotation: name.clone(),
                        value: value.clone(),
                        takes: annotation.takes,
                    });
                }
            }
        }
        wishes
    }

    /// Returns the counts that a Pod asks for, without those for containers that it does not have.
    pub fn counts(&self, view: &PodView) -> Counts {
        let mut containers = self.containers.clone();
        containers.retain(|name, _| view.has_container(name));
        Counts {
            containers,
            others: self.count,
        }
    }

    /// Returns the container that an annotation is about, empty if it is about the whole Pod; `None`
    /// if the judge does not read it. A source of Pods keeps those that the judge reads.
    pub fn container_of(name: &str) -> Option<&str> {
        ANNOTATIONS
            .iter()
            .find_map(|known| known.container_of(name))
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            annotation,
            value,
            takes,
        } = self;
        let (annotation, value) = (Shown(annotation), Shown(value));
        write!(f, "{annotation}: \"{value}\" is not {takes}")
    }
}
