//! Answers to the questions of `status`, `explain` and the gauges, as functions of what is known.
//!
//! A [`View`] is read-only and needs no agent. Nothing here waits, reads a clock or touches a file.

mod ask;
mod explain;
mod facts;
mod next;
mod reason;
mod status;
mod totals;

pub use ask::Ask;
pub use explain::{Exemption, Explanation, ImageExplained, Known, explain};
pub use facts::{EvidenceState, Facts, GuardTried, Unrecognised, View};
pub use next::NextStep;
pub use reason::{Decided, ReasonKind, ReasonShown};
pub use status::{Counted, FailingImage, PodStatus, Progress, Status, status};
pub use totals::{held, stuck};
