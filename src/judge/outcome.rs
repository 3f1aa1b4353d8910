use serde::{Deserialize, Serialize};

/// What the report on a condemned Pod came to, as far as it matters for judging it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Both writes were made.
    Written,
    /// Observing: it would have been failed.
    Due,
    /// It was spared because of what the node's runtime knows: once only.
    SparedByRuntime,
    /// It was spared because it had moved on by itself.
    MovedOn,
    /// It was spared because it is not to be failed any more.
    Spared,
    /// It is gone.
    Gone,
    /// The write could not be made, or no write may be made at present.
    Refused,
    /// The API server denies a write about this Pod, and would again.
    Denied,
}

impl Outcome {
    /// The word used in the node's log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Due => "due",
            Self::SparedByRuntime => "spared-by-runtime",
            Self::MovedOn => "moved-on",
            Self::Spared => "spared",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Denied => "denied",
        }
    }
}

/// What became of a condition that was to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Undone {
    /// It stands no more.
    Clear,
    /// It is right: the deadline was written too, though its answer was lost.
    Written,
    /// It still stands.
    Standing,
}

impl Undone {
    /// The word used in the node's log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Written => "written",
            Self::Standing => "standing",
        }
    }
}
