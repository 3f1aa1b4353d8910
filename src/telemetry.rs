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
        .log_internal_errors(false);
    match format {
        LogFormat::Text => {
            let colours = io::stderr().is_terminal();
            let writer = move || Escaped::Text { colours };
            log.with_ansi(colours).with_writer(writer).init();
        }
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_writer(|| Escaped::Json)
            .init(),
    }
}

/// Standard error, one whole record at a time. tracing-subscriber escapes a record's message, and not
/// what others chose for its fields.
enum Escaped {
    Text { colours: bool },
    Json,
}

impl io::Write for Escaped {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(record);
        let text = match self {
            Self::Text { colours } => escaping::record(&text, *colours).into(),
            Self::Json => escaping::json(&text),
        };
        io::stderr().write_all(text.as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
