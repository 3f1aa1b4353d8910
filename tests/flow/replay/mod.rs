//! Replays of recorded logs.

mod command;
mod fleet;
mod policies;
mod random;
mod recorded;
