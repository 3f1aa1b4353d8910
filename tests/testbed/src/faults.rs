//! The fault registry: a proxy in front of the real registry that misbehaves by repository.

mod rule;
mod server;

pub use rule::{Fault, Rule, Seen};
pub use server::serve;
