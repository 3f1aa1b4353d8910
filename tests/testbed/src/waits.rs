//! How long tests and measurements wait for what must happen. Such a limit decides nothing: it only
//! ends a wait that is in vain, so it allows for a machine that is much slower, or busy.

use std::sync::LazyLock;
use std::time::Duration;

use crate::clock::Stopwatch;

/// The longest wait, in times of the same on a quiet machine; on a slow machine it may be longer.
const LEAST: f64 = 10.0;

/// The same in times of its measured slowness, on a slow machine: it may be busy too.
const BUSY: f64 = 3.0;

/// Bytes of text of the fixed piece of work.
const WORK: usize = 8 * 1024 * 1024;

/// The time of that work on the machine for which the seconds are meant.
const REFERENCE: Duration = Duration::from_micros(4500);

/// Tries of the work. The quickest counts, so that a busy moment is not taken for a slow machine.
const TRIES: usize = 5;

/// Slowness of this machine, in times of that one. It is measured once for each process, as a
/// machine without hardware virtualization is much slower than its host.
static SLOWNESS: LazyLock<f64> = LazyLock::new(|| work().as_secs_f64() / REFERENCE.as_secs_f64());

/// The longest wait for what takes so many seconds of work on a quiet machine.
pub fn longest(seconds: u64) -> Duration {
    Duration::from_secs(seconds).mul_f64(times(slowness()))
}

/// The same for what also waits for a clock, such as the kubelet's back-off, which no machine slows.
pub fn longest_after(pauses: u64, seconds: u64) -> Duration {
    longest(seconds).saturating_add(Duration::from_secs(pauses))
}

/// Slowness of this machine, in times of the one for which the limits are meant.
pub fn slowness() -> f64 {
    *SLOWNESS
}

/// Longest wait on a machine of this slowness, in times of the same on a quiet one.
fn times(slowness: f64) -> f64 {
    (BUSY * slowness).max(LEAST)
}

/// The time that the fixed piece of work takes. The standard library has it compiled already, so it
/// is the same in a debug and in a release build.
fn work() -> Duration {
    let text = "é".repeat(WORK / 2).into_bytes();
    let once = || {
        let watch = Stopwatch::start();
        let _ = std::hint::black_box(std::str::from_utf8(std::hint::black_box(&text)));
        watch.elapsed()
    };
    (0..TRIES).map(|_| once()).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slower_machine_gets_longer_and_a_quicker_one_does_not_get_less() {
        assert!((times(20.0) - 60.0).abs() < 1e-9);
        assert!((times(1.0) - LEAST).abs() < 1e-9);
        assert!((times(0.1) - LEAST).abs() < 1e-9);
        assert!(longest(1) >= Duration::from_secs(10));
        assert!(longest_after(60, 1) - longest(1) == Duration::from_secs(60));
    }
}
