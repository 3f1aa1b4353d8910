//! Brakes: what holds a verdict although the threshold is reached.
//!
//! A brake is a file here and a line in [`BRAKES`]. It reads the counts and its settings, and knows
//! no verdict. `state` and `registries` have the settings, and keep what the brakes remember.

pub mod always;
pub mod denied_write;
pub mod fleet;
pub mod fleet_memory;
pub mod hold;
pub mod namespace;
pub mod new_node;
pub mod node_budget;
pub mod owner_budget;
pub mod registries;
pub mod registry;
pub mod state;
pub mod stopped;
pub mod stopped_memory;
pub mod warm_up;
pub mod workflow;

use self::hold::{Brake, Context, Hold};

/// All brakes, in the order in which a verdict lists them.
pub const BRAKES: [Brake; 11] = [
    self::always::BRAKE,
    self::warm_up::BRAKE,
    self::registry::BRAKE,
    self::new_node::BRAKE,
    self::node_budget::BRAKE,
    self::owner_budget::BRAKE,
    self::fleet::BRAKE,
    self::stopped::BRAKE,
    self::denied_write::BRAKE,
    self::namespace::BRAKE,
    self::workflow::BRAKE,
];

/// Returns every brake that holds the verdict on an image.
pub fn holds(context: &Context<'_>) -> Vec<Hold> {
    let holds = BRAKES.iter().map(|brake| (brake.holds)(context));
    holds.flatten().collect()
}
