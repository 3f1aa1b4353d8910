//! The commands, and what they print.

pub mod checking;
mod cleaning;
mod commands;
mod configuration;
mod explaining;
mod permitted;
mod printing;
pub mod screens;
mod surveying;
pub mod terminal;
mod viewing;
