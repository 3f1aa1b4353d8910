//! Replays of recorded logs.

mod command;
mod policies;
mod recorded;
