//! Reports: what is done about a failed Pod, and what is written down about it.

mod account;
mod conditions;
mod event;
mod guard;
mod in_force;
mod message;
mod pod;
mod refusal;
mod retry;
mod spare;

pub use account::{Account, Step, Trace};
pub use event::{Event, announce};
pub use guard::{Guard, HELD, OFF, Unguarded};
pub use in_force::InForce;
pub use pod::{aftermath, fail, look, take_back};
pub use spare::{PATIENCE, ask};
