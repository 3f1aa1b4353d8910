//! Reports: what is done about a condemned Pod, and what is written down about it.

mod account;
mod event;
mod guard;
mod line;
mod log;
mod message;
mod pod;
mod spare;

pub use account::{Account, Aftermath, Ending, Step, Trace};
pub use event::{Event, Subject, announce};
pub use guard::{Guard, Unguarded};
pub use line::{Line, State};
pub use log::{NodeLog, Stamp};
pub use pod::{
    ANNOTATION_FAILED_AT, CONDITION, DEADLINE, MOST_ANNOTATIONS, aftermath, fail, look, take_back,
};
pub use spare::{Asked, PATIENCE, ask};
