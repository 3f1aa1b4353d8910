//! The process's own log, on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;
use crate::text::escaping;

/// The level without a `RUST_LOG`. What kube says of failed requests, the agent says itself, once
/// and with what it means.
const QUIET: &str = "info,kube_client=off,kube_runtime=off";

/// Sets up the log: `info` and above unless `RUST_LOG` says otherwise, colours on a terminal only.
pub fn init(format: LogFormat) {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let asked = asked.filter(|text| !text.is_empty());
    let filter = asked.and_then(|text| EnvFilter::try_new(text).ok());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(QUIET)))
        .with_target(false)
        // It would panic where nobody reads standard error any more.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    match format {
        // tracing-subscriber escapes what others chose.
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_writer(|| Escaped)
            .init(),
    }
}

/// Standard error for JSON, one whole object at a time.
struct Escaped;

impl io::Write for Escaped {
    fn write(&mut self, object: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(object);
        io::stderr().write_all(escaping::json(&text).as_bytes())?;
        Ok(object.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
