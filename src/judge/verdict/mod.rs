//! Verdicts: the decision about one Pod, and the reasons for it.

pub mod deciding;
pub mod decision;
pub mod fail_request;
pub mod holding;
pub mod last_check;
pub mod progress;
pub mod reason;
pub mod snapshot;
mod subject;
