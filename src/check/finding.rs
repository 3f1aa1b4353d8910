//! One finding of the preflight check.

use serde::Serialize;

use crate::text::printable;

/// Gravity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is wrong.
    Ok,
    /// The agent works, but less well or with more rights than it could.
    Warning,
    /// The agent does not start, or cannot do its work.
    Fault,
}

/// One thing that was looked at. All but `ok` come with a remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Gravity.
    pub level: Level,
    /// Thing that was checked.
    pub what: &'static str,
    /// Result, fit to be shown.
    pub found: String,
    /// Remedy; empty where nothing is to be done.
    pub remedy: String,
}

impl Finding {
    /// Returns a finding that nothing is wrong.
    pub fn ok(what: &'static str, found: &str) -> Self {
        Self::new(Level::Ok, what, found, "")
    }

    /// Worth a thought.
    pub fn warning(what: &'static str, found: &str, remedy: &str) -> Self {
        Self::new(Level::Warning, what, found, remedy)
    }

    /// In the way.
    pub fn fault(what: &'static str, found: &str, remedy: &str) -> Self {
        Self::new(Level::Fault, what, found, remedy)
    }

    /// At whatever level.
    pub(super) fn new(level: Level, what: &'static str, found: &str, remedy: &str) -> Self {
        Self {
            level,
            what,
            found: printable(found),
            remedy: printable(remedy),
        }
    }
}
