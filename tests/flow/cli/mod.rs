//! The commands, and what they print.

pub mod checking;
mod commands;
mod configuration;
mod explaining;
mod printing;
mod screens;
mod terminal;
mod viewing;
