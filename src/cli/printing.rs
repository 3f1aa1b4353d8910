//! Standard output and standard error. A reader that has gone (`… | head -1`) is no failure.

use std::io::{self, ErrorKind, Write as _};

use anyhow::Context as _;
use serde::Serialize;

use crate::text::Shown;
use crate::text::escaping;

/// Result of writing to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Printed {
    /// It was written.
    Read,
    /// The reader has gone.
    Closed,
}

/// Writes a text to standard output.
///
/// # Errors
/// If it cannot be written although the reader is there.
pub(super) fn print(text: &str) -> anyhow::Result<Printed> {
    let mut out = io::stdout().lock();
    outcome(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Distinguishes a reader that has gone from a failure to write to standard output.
///
/// # Errors
/// The failure.
pub(super) fn outcome(written: io::Result<()>) -> anyhow::Result<Printed> {
    match written {
        Ok(()) => Ok(Printed::Read),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Printed::Closed),
        Err(error) => Err(error).context("writing to standard output"),
    }
}

/// Returns a value as JSON for people and programs, fit for a terminal.
///
/// # Errors
/// If it cannot be written as JSON.
pub(super) fn pretty(value: &impl Serialize) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(value).context("writing the answer as JSON")?;
    Ok(escaping::json(&text).into_owned() + "\n")
}

/// Writes a problem to standard error, in one line.
pub(super) fn complain(problem: &str) {
    complain_in_lines(&Shown(problem).to_string());
}

/// Writes a problem to standard error that has line breaks of our own.
pub(super) fn complain_in_lines(problem: &str) {
    to_stderr(&format!("pullwarden: {problem}\n"));
}

/// Writes to standard error. A failure to do so cannot be reported.
pub(super) fn to_stderr(text: &str) {
    let _ = io::stderr().write_all(escaping::lines(text).as_bytes());
}
