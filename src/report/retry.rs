//! Tries of a request, and the pauses between them: an API server in trouble is not asked by a whole cluster at once.

use std::time::Duration;

use super::pause::{FIRST, LONGEST, share};
use super::refusal::Refusal;

/// The tries of one request, and the pauses between them.
#[derive(Clone, Debug)]
pub(super) struct Tries {
    /// Number of tries that are left after the present one.
    left: usize,
    /// The next pause, before jitter.
    next: Duration,
    /// The longest pause that is made for the API server.
    longest: Option<Duration>,
}

impl Tries {
    /// Allows this number of tries, the first one counted.
    pub(super) const fn new(tries: usize) -> Self {
        Self {
            left: tries - 1,
            next: FIRST,
            longest: None,
        }
    }

    /// There is no further try where the API server asks for a longer pause than this.
    pub(super) const fn no_longer_than(mut self, longest: Duration) -> Self {
        self.longest = Some(longest);
        self
    }

    /// Returns whether to try again after this. Waits first, at least as long as the API server asks.
    pub(super) async fn again(&mut self, refusal: &Refusal) -> bool {
        let asked = match refusal {
            Refusal::Gone | Refusal::Denied { .. } => return false,
            // The Pod is looked at afresh: there is nothing to wait for.
            Refusal::Moved(_) => None,
            Refusal::Failed { asked, .. } => Some(asked.unwrap_or_default()),
        };
        if asked
            .zip(self.longest)
            .is_some_and(|(asked, longest)| asked > longest)
        {
            return false;
        }
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        self.left = left;
        if let Some(asked) = asked {
            tokio::time::sleep(self.next(asked, share())).await;
        }
        true
    }

    /// The next pause. `share`, from 0 to 1, is the jitter.
    fn next(&mut self, asked: Duration, share: f64) -> Duration {
        let own = self.next.mul_f64(1.0 + share);
        self.next = (self.next * 2).min(LONGEST);
        own + asked.min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_are_spread() {
        let mut tries = Tries::new(1);
        assert_eq!(tries.next(Duration::ZERO, 0.0), FIRST);
        assert_eq!(tries.next(Duration::ZERO, 0.0), FIRST * 2);
        assert_eq!(tries.next(Duration::ZERO, 1.0), FIRST * 8);
        for _ in 0..100 {
            assert!(tries.next(Duration::ZERO, 0.0) <= LONGEST);
        }
    }

    #[test]
    fn what_the_api_server_asks_for_is_kept_up_to_a_minute() {
        let asks = |seconds| Tries::new(1).next(Duration::from_secs(seconds), 0.0);
        assert_eq!(asks(5), Duration::from_secs(5) + FIRST);
        assert_eq!(asks(60), LONGEST + FIRST);
        assert_eq!(asks(u64::MAX), LONGEST + FIRST);
    }
}
