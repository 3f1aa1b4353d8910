//! The quick level of tests: no root, no real component. See `tests/README.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of it is tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod absence;
mod admin;
mod answers;
mod braking;
mod causes;
mod checking;
mod commands;
mod configuration;
mod conformance;
mod contents;
mod corpus;
mod counting;
mod day;
mod deciding;
mod deploy;
mod documented;
mod edits;
mod explaining;
mod failing;
mod faults;
mod guarding;
mod healing;
mod hostile;
mod hours;
mod interleavings;
mod keys;
mod killing;
mod kubelet_socket;
mod logging;
mod marks;
mod metrics;
mod namespaces;
mod outages;
mod printing;
mod properties;
mod quiet;
mod races;
mod recorded;
mod redacting;
mod refusals;
mod registries;
mod replay_command;
mod replaying;
mod restarts;
mod retrying;
mod runtimes;
mod scope;
mod screens;
mod seeds;
mod settings;
mod sources;
mod sparing;
mod structure;
mod terminal;
mod viewing;
mod words;
