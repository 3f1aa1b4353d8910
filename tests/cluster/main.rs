//! The whole way on a real node. Run by `cargo test-all`, which builds what is needed and says what is missing.
//!
//! A test leases the node of its group ([`bed`]), works in a namespace of its own ([`cluster`]) and is judged by the
//! group's agent, or by one of its own ([`agent`]). Everything waits for conditions, nothing for time alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what went wrong by panicking, and prints what it measured"
)]

mod agent;
mod attempts;
mod audit;
mod bed;
mod cluster;
mod holder;
mod namespaces;
mod reasons;
mod relay;
mod shapes;

mod alike;
mod asking;
mod brakes;
mod chart;
mod check;
mod churn;
mod containers;
mod crio;
mod deployed;
mod door;
mod exact;
#[cfg(feature = "soak")]
mod first_time;
mod healing;
#[cfg(feature = "soak")]
mod hours;
mod job_policy;
mod jobs;
mod many;
mod matrix;
mod modes;
mod next_job;
mod options;
mod patience;
mod policy;
mod queues;
mod quiet;
mod recovery;
mod restart;
mod scope;
mod slow;
mod sources;
mod survey;
mod switching;
mod two;
#[cfg(feature = "soak")]
mod versions;
