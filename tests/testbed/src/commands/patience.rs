//! Waiting, with a word to whoever watches, and not longer than until Ctrl-C.

use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::Progress;

use super::interrupt::Interrupt;

/// How a measurement waits.
#[derive(Debug, Clone, Copy)]
pub struct Patience<'a> {
    progress: Progress,
    interrupt: &'a Interrupt,
}

impl<'a> Patience<'a> {
    pub fn new(interrupt: &'a Interrupt) -> Self {
        Self {
            progress: Progress::new(false),
            interrupt,
        }
    }

    /// Waits until something is so; false if it was not in time.
    ///
    /// # Errors
    /// If it was interrupted.
    pub fn until(self, what: &str, most: Duration, mut so: impl FnMut() -> bool) -> Result<bool> {
        let mut is_so = false;
        let mut look = || {
            is_so = so();
            is_so || self.interrupt.asked()
        };
        self.progress.step(what, || testbed::until(most, &mut look));
        ensure!(!self.interrupt.asked(), "interrupted");
        Ok(is_so)
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// If it was interrupted.
    pub fn pass(self, what: &str, time: Duration) -> Result<()> {
        self.until(what, time, || false).map(drop)
    }
}
