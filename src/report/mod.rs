//! Reports: what is done about a condemned Pod, and what is written down about it.

mod event;
mod log;
mod message;
mod pod;

pub use event::{Event, announce};
pub use log::{Line, NodeLog};
pub use pod::{
    ANNOTATION_FAILED_AT, CONDITION, DEADLINE, Ending, Step, Trace, Undone, fail, look, take_back,
};
