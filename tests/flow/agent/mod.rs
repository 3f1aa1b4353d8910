//! The agent as a whole: its start and end, its settings, its log, its metrics and its admin address.

mod absence;
mod admin;
mod day;
mod faults;
mod logging;
mod metrics;
pub mod restarts;
mod series;
mod settings;
