//! Decision of a verdict and its reasons, as the answers have them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::judge::{Decision, Reason};
use crate::text::Shown;

/// Decision of the last verdict. In JSON the words are those of the node's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decided {
    /// There is nothing to judge for now.
    Settle,
    /// The threshold is not reached, or the next failed pull decides.
    Wait,
    /// The threshold is reached, and a brake holds the verdict.
    Hold,
    /// The Pod is to be failed; in mode observe, an Event says so.
    #[serde(rename = "condemn")]
    Fail,
}

impl Decided {
    /// Returns the word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settle => "settle",
            Self::Wait => "wait",
            Self::Hold => "hold",
            Self::Fail => "fail",
        }
    }
}

impl From<&Decision> for Decided {
    fn from(decision: &Decision) -> Self {
        match decision {
            Decision::Settle => Self::Settle,
            Decision::Wait => Self::Wait,
            Decision::Hold => Self::Hold,
            Decision::Fail(_) => Self::Fail,
        }
    }
}

/// One reason of a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonShown {
    /// Kind of the reason.
    pub kind: ReasonKind,
    /// Image that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Name of the brake, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brake: Option<String>,
    /// Sentence for people; it does not repeat the image.
    pub text: String,
}

/// Kind of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReasonKind {
    /// Failures of an image against its threshold.
    Threshold,
    /// A brake that holds the verdict.
    Brake,
    /// Any other reason.
    Other,
}

impl From<&Reason> for ReasonShown {
    fn from(reason: &Reason) -> Self {
        let brake = reason.brake();
        let kind = match reason {
            Reason::Reached { .. } | Reason::NotReached { .. } => ReasonKind::Threshold,
            _ if brake.is_some() => ReasonKind::Brake,
            _ => ReasonKind::Other,
        };
        Self {
            kind,
            image: reason.image().map(|image| Shown(image).to_string()),
            brake: brake.map(str::to_owned),
            text: reason.text(),
        }
    }
}

impl fmt::Display for ReasonShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(image) = &self.image {
            write!(f, "{image}: ")?;
        }
        f.write_str(&self.text)
    }
}
