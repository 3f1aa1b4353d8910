//! Brakes: what holds a verdict although its threshold is reached.

pub mod memory;
pub mod registries;
