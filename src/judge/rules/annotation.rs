use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use crate::judge::Shown;

/// `pullwarden.io/mode`: `off`, `observe` or `enforce`. Lowers the node's mode for one Pod, never raises it.
pub const ANNOTATION_MODE: &str = "pullwarden.io/mode";

/// `pullwarden.io/image-pull-failure-count`: the Pod's own `imagePullFailureCount`.
pub const ANNOTATION_FAILURE_COUNT: &str = "pullwarden.io/image-pull-failure-count";

/// What may be done to a Pod, or to the Pods of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodMode {
    /// Nothing; it is not even judged.
    Off,
    /// Saying what would be done.
    Observe,
    /// What the node's mode allows.
    Enforce,
}

impl PodMode {
    /// The word used in annotations and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// What a Pod asks for by its annotations. A value that cannot be read is as good as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `pullwarden.io/mode`.
    pub mode: Option<PodMode>,
    /// `pullwarden.io/image-pull-failure-count`.
    pub count: Option<NonZeroU32>,
    /// The values that cannot be read.
    pub complaints: Vec<Complaint>,
}

/// An annotation whose value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The annotation.
    pub annotation: &'static str,
    /// Its value.
    pub value: String,
    /// What it takes.
    pub takes: &'static str,
}

impl Wishes {
    /// Reads a Pod's annotations.
    pub fn of(annotations: &BTreeMap<String, String>) -> Self {
        let mut wishes = Self::default();
        if let Some(value) = annotations.get(ANNOTATION_MODE) {
            let modes = [PodMode::Off, PodMode::Observe, PodMode::Enforce];
            wishes.mode = modes.into_iter().find(|mode| mode.as_str() == value);
            if wishes.mode.is_none() {
                wishes.complain(ANNOTATION_MODE, value, "off, observe or enforce");
            }
        }
        if let Some(value) = annotations.get(ANNOTATION_FAILURE_COUNT) {
            // Rust would take a sign too.
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            wishes.count = value.parse().ok().filter(|_| digits);
            if wishes.count.is_none() {
                wishes.complain(ANNOTATION_FAILURE_COUNT, value, "a whole number from 1");
            }
        }
        wishes
    }

    fn complain(&mut self, annotation: &'static str, value: &str, takes: &'static str) {
        self.complaints.push(Complaint {
            annotation,
            value: value.to_owned(),
            takes,
        });
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
