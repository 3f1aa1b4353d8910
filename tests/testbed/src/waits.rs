//! How long tests and measurements wait for what must happen. Such a limit decides nothing: it only
//! ends a wait that is in vain, so it allows for a machine that is much slower, or busy.

use std::time::Duration;

/// How much slower than a quiet machine with two cores another may be.
const SLOWER: u64 = 10;

/// The longest wait for what takes so many seconds of work on a quiet machine.
pub const fn longest(seconds: u64) -> Duration {
    Duration::from_secs(seconds * SLOWER)
}

/// The same for what also waits for a clock, such as the kubelet's back-off, which no machine slows.
pub const fn longest_after(pauses: u64, seconds: u64) -> Duration {
    longest(seconds).saturating_add(Duration::from_secs(pauses))
}
