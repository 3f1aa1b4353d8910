//! The judgement: pure code, from what was reported to what should be done about it.
//!
//! Nothing here waits, reads a clock, touches a file or knows Kubernetes' or CRI's wire types: `(ledger, view, policy,
//! now)` go in, the ledger is brought up to date and a [`Verdict`] comes out. The same code serves the agent, the tests and replays of
//! recorded observations. `tests/flow/purity.rs` holds this folder to it.

mod annotation;
mod brake;
mod cause;
mod effect;
mod event;
mod following;
mod last_state;
mod latest;
mod ledger;
mod measure;
mod message;
mod mismatch;
mod moment;
mod named_image;
mod observe;
mod outcome;
mod phrases;
mod pod_id;
mod policy;
mod reason;
mod record;
mod redact;
mod reference;
mod registries;
mod selector;
mod settings;
mod sources;
mod status;
mod step;
mod text;
mod verdict;
mod view;
mod waiting;
mod wordings;

pub use annotation::{ANNOTATION_FAILURE_COUNT, ANNOTATION_MODE, Complaint, PodMode, Wishes};
pub use brake::{Brake, BrakeMemory, BrakeRules, Budget, Due, Spent};
pub use cause::{Cause, Class};
pub use effect::{Effect, Note};
pub use event::{Event, Labels};
pub use latest::Latest;
pub use ledger::{Ledger, Mark, Observed, PodRecord, Stage};
pub use measure::Measure;
pub use moment::Moment;
pub use named_image::{named_image, names_image};
pub use outcome::{Aftermath, Ending, Outcome, Undone};
pub use pod_id::PodId;
pub use policy::{Action, Footing, NamespaceRule, NodeMode, Policy, Scope, Threshold, Thresholds};
pub use reason::{BRAKES, Reason};
pub use record::{Because, Denied, ImageRecord, LastError, Row, Standing};
pub use redact::redacted;
pub use reference::{Reference, may_be_same_image};
pub use registries::{Registries, RegistryRule};
pub use selector::{Requirement, Selector};
pub use settings::Settings;
pub use step::{Judge, Kept};
pub use text::{Shown, digest, is_hidden, printable};
pub use verdict::{Condemned, Decision, Verdict, judge, still_due};
pub use view::{
    ContainerState, ContainerView, Owner, Phase, PodView, PullPolicy, RestartPolicy, Source,
};
