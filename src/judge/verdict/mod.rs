//! Verdicts: the decision about one Pod, and the reasons for it.

pub mod deciding;
pub mod reason;
