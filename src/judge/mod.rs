//! The judgement: from what was reported to what should be done about it.
//!
//! The room is pure: `(ledger, view, policy, now)` go in, the ledger is brought up to date and a
//! [`Verdict`] comes out. The agent, the tests and replays of recorded logs use the same code.
//! The crate `tests/pure` compiles it with serde alone.

mod annotation;
mod brake;
pub mod cause;
mod effect;
mod event;
mod following;
mod last_state;
mod latest;
mod ledger;
mod measure;
mod observe;
mod outcome;
pub mod pod;
mod policy;
mod reason;
mod record;
mod registries;
mod selector;
mod settings;
mod sources;
mod step;
mod verdict;
mod waiting;

pub use crate::text::{Shown, digest::digest, is_hidden, printable, redacted};
pub use annotation::{ANNOTATION_FAILURE_COUNT, ANNOTATION_MODE, Complaint, PodMode, Wishes};
pub use brake::{Brake, BrakeMemory, BrakeRules, Budget, Due, Spent};
pub use cause::{Cause, Class, named_image, names_image};
pub use effect::{Effect, Note};
pub use event::{Event, Labels};
pub use latest::Latest;
pub use ledger::{Ledger, Mark, Observed, PodRecord, Stage};
pub use measure::Measure;
pub use outcome::{Aftermath, Ending, Outcome, Undone};
pub use pod::{
    ContainerState, ContainerView, Moment, Owner, Phase, PodId, PodView, PullPolicy, Reference,
    RestartPolicy, Source, may_be_same_image,
};
pub use policy::{Action, Footing, NamespaceRule, NodeMode, Policy, Scope, Threshold, Thresholds};
pub use reason::{BRAKES, Reason};
pub use record::{Because, Denied, ImageRecord, LastError, Row, Standing};
pub use registries::{Registries, RegistryRule};
pub use selector::{Requirement, Selector};
pub use settings::Settings;
pub use step::{Judge, Kept};
pub use verdict::{Condemned, Decision, Verdict, judge, still_due};
