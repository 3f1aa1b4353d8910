//! The judgement: pure code, from what was reported to what should be done about it.
//!
//! Nothing here waits, reads a clock, touches a file or knows Kubernetes' or CRI's wire types: `(ledger, view, policy,
//! now)` go in, the ledger is brought up to date and a [`Verdict`] comes out. The same code serves the agent, the tests and replays of
//! recorded observations. `tests/flow/purity.rs` holds this folder to it.

mod brake;
mod cause;
mod ledger;
mod moment;
mod policy;
mod reason;
mod text;
mod verdict;
mod view;

pub use brake::{Brake, Budget, Spent};
pub use cause::{Cause, Class};
pub use ledger::{ImageRecord, LastError, Ledger, Observed, PodRecord, Stage};
pub use moment::Moment;
pub use policy::{
    ANNOTATION_FAILURE_COUNT, ANNOTATION_MODE, Footing, NodeMode, Policy, Scope, Threshold,
    Thresholds,
};
pub use reason::{Measure, Reason};
pub use text::Shown;
pub use verdict::{Condemned, Decision, Verdict, judge, still_due};
pub use view::{ContainerState, ContainerView, Owner, Phase, PodView, RestartPolicy};
