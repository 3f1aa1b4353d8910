//! Lengths of the pauses before a request is made again, and their jitter.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The first pause, before jitter. Each further one is twice as long.
pub(super) const FIRST: Duration = Duration::from_millis(250);

/// The longest pause that an API server may ask for: a Pod that is judged now is another one later.
pub const LONGEST: Duration = Duration::from_secs(60);

/// A random number from 0 to 1.
pub(super) fn share() -> f64 {
    let [a, b, ..] = RandomState::new().hash_one(()).to_be_bytes();
    f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_a_share() {
        assert!((0..100).all(|_| (0.0..=1.0).contains(&share())));
    }
}
