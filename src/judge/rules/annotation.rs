//! The annotations by which a Pod asks for other rules, in one table.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use crate::text::Shown;

/// Mode of one Pod.
pub const ANNOTATION_MODE: &str = "pullwarden.io/mode";

/// The Pod's own `imagePullFailureCount`.
pub const ANNOTATION_FAILURE_COUNT: &str = "pullwarden.io/image-pull-failure-count";

/// An annotation that the judge reads.
#[derive(Clone, Copy, Debug)]
pub struct Annotation {
    /// Name.
    pub name: &'static str,
    /// Values that it takes, for people.
    pub takes: &'static str,
    /// Meaning, for docs/configuration.md.
    pub about: &'static str,
    /// Reads a value into the wishes. `None` if it is not one of those.
    read: fn(&mut Wishes, &str) -> Option<()>,
}

/// All annotations that the judge reads.
pub const ANNOTATIONS: [Annotation; 2] = [
    Annotation {
        name: ANNOTATION_MODE,
        takes: "off, observe or enforce",
        about: "The most that the agent may do to this Pod. A Pod can lower the node's mode, but not \
                raise it. In mode `opt-in` the agent fails only Pods with `enforce`.",
        read: |wishes, value| {
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
        read: |wishes, value| {
            // Rust would take a sign too.
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            let count = value.parse().ok().filter(|_| digits)?;
            wishes.count = Some(count);
            Some(())
        },
    },
];

/// Mode of a Pod, or of the Pods of a namespace: the most that the agent may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodMode {
    /// Nothing: the Pod is not even judged.
    Off,
    /// Announce the Pods that it would fail.
    Observe,
    /// As much as the node's mode allows.
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
    /// Values that cannot be read.
    pub complaints: Vec<Complaint>,
}

/// An annotation whose value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Name of the annotation.
    pub annotation: &'static str,
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
            let Some(value) = annotations.get(annotation.name) else {
                continue;
            };
            if (annotation.read)(&mut wishes, value).is_none() {
                wishes.complaints.push(Complaint {
                    annotation: annotation.name,
                    value: value.clone(),
                    takes: annotation.takes,
                });
            }
        }
        wishes
    }

    /// Returns true if the judge reads the annotation of this name. A source of Pods keeps those.
    pub fn reads(name: &str) -> bool {
        ANNOTATIONS.iter().any(|known| known.name == name)
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            annotation,
            value,
            takes,
        } = self;
        write!(f, "{annotation}: \"{}\" is not {takes}", Shown(value))
    }
}
