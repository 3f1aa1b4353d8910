//! The fleet budget: the pure room alone, and agents that share the object.

mod agents;
mod checking;
mod contention;
mod room;
