//! A deadline around a whole call to another process: the connection, the headers and the body.
//!
//! A deadline for the headers alone is not enough. A server that stops in the middle of its answer would hold its caller for ever.

use std::fmt;
use std::time::Duration;

/// An answer that was not complete in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoAnswer(Duration);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within {:?}", self.0)
    }
}

/// Waits for a call to end, for `limit` at most. A call that takes longer is cancelled.
///
/// # Errors
/// If it has not ended by then.
pub(crate) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = T>,
) -> Result<T, NoAnswer> {
    let ended = tokio::time::timeout(limit, call).await;
    ended.map_err(|_| NoAnswer(limit))
}
