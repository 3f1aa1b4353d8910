//! Durations as people read them.

use std::time::Duration;

/// Returns a duration in hours, minutes and whole seconds.
pub(in crate::judge) fn seconds(duration: &Duration) -> String {
    let (total, mut out) = (duration.as_secs(), String::new());
    for (unit, count) in [
        ("h", total / 3600),
        ("m", total / 60 % 60),
        ("s", total % 60),
    ] {
        if count > 0 {
            out.push_str(&format!("{count}{unit}"));
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}
