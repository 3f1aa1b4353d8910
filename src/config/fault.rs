//! Faults of a configuration, each with its place and its source.

use std::fmt;
use std::path::PathBuf;

use crate::text::Shown;

/// Origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag, with its dashes.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// The file.
    File(PathBuf),
    /// Nowhere: the value is missing.
    Missing,
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key's path; empty for the file as a whole.
    pub path: String,
    /// Origin of the value.
    pub source: Source,
    /// The problem, as the rest of a sentence about the key.
    pub problem: String,
}

/// Everything that is wrong with the configuration. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", Shown(&self.path))?;
        }
        write!(f, "{}", Shown(&self.problem))?;
        match &self.source {
            Source::Flag(flag) => write!(f, " (from {flag})"),
            Source::Variable(variable) => write!(f, " (from {variable})"),
            Source::File(file) => {
                write!(f, " (in {})", Shown(&file.to_string_lossy()))
            }
            Source::Missing => Ok(()),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let faults = if count == 1 { "fault" } else { "faults" };
        write!(f, "the configuration has {count} {faults}:")?;
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
