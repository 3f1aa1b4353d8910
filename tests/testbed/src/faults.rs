//! The fault registry: a proxy in front of the real registry that misbehaves by repository.

mod answer;
mod body;
mod deaf;
mod line;
mod names;
mod proxy;
mod rule;
mod server;
mod tls;

pub use rule::{Fault, Part, Rule, Seen};
pub use server::{Doors, serve};
