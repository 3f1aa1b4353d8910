//! The quick level of tests: no root, no real component. See `tests/README.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of it is tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod commands;
mod counting;
mod deciding;
mod failing;
mod faults;
mod hostile;
mod hours;
mod properties;
mod purity;
mod quiet;
mod races;
mod refusals;
mod restarts;
mod scope;
