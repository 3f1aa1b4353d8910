//! The end of a log file, for error messages.

use std::path::Path;

const LINES: usize = 25;
const COLUMNS: usize = 600;

/// The last lines of a file, indented; a note where it is empty or cannot be read.
pub fn tail(path: &Path) -> String {
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => return format!("  ({} cannot be read: {error})", path.display()),
    };
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return format!("  ({} is empty)", path.display());
    }
    let from = lines.len().saturating_sub(LINES);
    let shown = lines.iter().skip(from).map(|line| {
        let short: String = line.chars().take(COLUMNS).collect();
        format!("  {short}\n")
    });
    shown.collect()
}
