//! Lines on standard error that tell a person what takes its time.
#![allow(
    clippy::print_stderr,
    reason = "telling people is what this module is for"
)]

use std::sync::mpsc;
use std::time::Duration;

use crate::clock::Stopwatch;

/// A step that is shorter is not worth a line.
const WORTH_A_LINE: Duration = Duration::from_secs(2);
/// A step that is still running says so this often.
const STILL: Duration = Duration::from_secs(60);

/// Where progress goes: standard error, or nowhere.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    quiet: bool,
}

impl Progress {
    /// Progress on standard error, unless `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// One line.
    pub fn say(self, line: &str) {
        if !self.quiet {
            eprintln!("testbed: {line}");
        }
    }

    /// Runs `work`; once that has taken two seconds, says so, and in the end how long it took.
    pub fn step<T>(self, what: &str, work: impl FnOnce() -> T) -> T {
        let begun = Stopwatch::start();
        let (done, wait) = mpsc::channel::<()>();
        let result = std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut pause = WORTH_A_LINE;
                while wait.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
                    self.say(&if pause == WORTH_A_LINE {
                        format!("{what} …")
                    } else {
                        format!("{what} … {} s so far", begun.elapsed().as_secs())
                    });
                    pause = STILL;
                }
            });
            let result = work();
            drop(done);
            result
        });
        self.took(what, begun.elapsed());
        result
    }

    /// Says how long a step took that is over, if that is worth a line.
    pub fn took(self, what: &str, time: Duration) {
        if time >= WORTH_A_LINE {
            self.say(&format!("{what} … {:.0} s", time.as_secs_f64()));
        }
    }
}
