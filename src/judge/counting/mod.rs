//! Counts: failed pulls per Pod and image, and what must not be counted twice.
//!
//! The room knows Pods, causes and sources. It knows no rule, no brake and no verdict.

mod known_bad;
mod last_state;
mod ledger;
mod observe;
mod record;
mod repeats;

pub use ledger::{Ledger, Mark, Observed, PodRecord, Stage};
pub use record::{Because, Denied, ImageRecord, LastError, Row, Standing};
