//! The fleet budget: the most Pods that all agents of a cluster fail within a span of time.
//!
//! The room is pure: it reads and writes tokens as text, and counts them against limits. It knows
//! serde alone, no clock and no API server. `report` reads and writes the object that has them.

mod book;
mod limits;
mod token;

pub use book::{Answer, Book, Unreadable};
pub use limits::{Closed, Limits, Scope};
pub use token::{About, Token};
