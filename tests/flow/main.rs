//! The quick level of tests: no root, no real component. See `tests/README.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of it is tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod agent;
mod cli;
mod deploy;
mod fleet;
mod judge;
mod replay;
mod report;
mod shape;
mod sources;
mod survey;
