//! The testbed's only look at the clock, and its only way to wait for what cannot call back.
#![allow(
    clippy::disallowed_methods,
    reason = "real processes are waited for in real time; the agent's clock is no help here"
)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a condition is looked at.
const OFTEN: Duration = Duration::from_millis(50);

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Looks again and again whether something is so, until it is (true) or patience is at an end.
pub fn until(patience: Duration, mut so: impl FnMut() -> bool) -> bool {
    let watch = Stopwatch::start();
    loop {
        if so() {
            return true;
        }
        if watch.elapsed() > patience {
            return false;
        }
        std::thread::sleep(OFTEN);
    }
}

/// Milliseconds since 1970.
pub fn unix_millis() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Microseconds since 1970, by the clock of the API server's audit log.
pub fn unix_micros() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
