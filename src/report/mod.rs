//! Reports: what is done about a failed Pod, and what is written down about it.

mod account;
mod conditions;
mod event;
mod fleet;
mod guard;
mod in_force;
mod looked;
mod message;
mod patch;
mod pause;
mod permits;
mod plugin;
mod pod;
mod refusal;
mod retry;
mod spare;

pub use account::{Account, Step, Trace, asked_last};
pub use event::{About, EVENT_REASONS, Event, announce};
pub use fleet::{FLEET, fleet_tokens};
pub use guard::{Guard, HELD, OFF, Unguarded};
pub use in_force::InForce;
pub use pause::LONGEST as LONGEST_PAUSE;
pub use permits::Permits;
pub use plugin::ALTERED;
pub use pod::{aftermath, fail, look, take_back};
pub use spare::{PATIENCE, ask};
