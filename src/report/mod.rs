//! Reports: what is done about a condemned Pod, and what is written down about it.

mod account;
mod event;
mod guard;
mod in_force;
mod line;
mod log;
mod message;
mod pod;
mod refusal;
mod retry;
mod spare;

pub use account::{Account, Aftermath, Denial, Ending, Scope, Step, Trace};
pub use event::{Event, Subject, announce};
pub use guard::{Guard, HELD, OFF, Unguarded};
pub use in_force::InForce;
pub use line::{Line, State};
pub use log::{NodeLog, Stamp};
pub use pod::{aftermath, fail, look, take_back};
pub use spare::{Asked, PATIENCE, ask};
