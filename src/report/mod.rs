//! Reports: what is done about a condemned Pod, and what is written down about it.

mod event;
mod guard;
mod line;
mod log;
mod message;
mod pod;
mod spare;

pub use event::{Event, Subject, announce};
pub use guard::{Guard, Unguarded};
pub use line::{Line, State};
pub use log::{NodeLog, Stamp};
pub use pod::{
    ANNOTATION_FAILED_AT, Account, Aftermath, CONDITION, DEADLINE, Ending, Step, Trace, aftermath,
    fail, look, take_back,
};
pub use spare::{Asked, PATIENCE, ask};
