//! The judgement: pure code, from what was reported to what should be done about it.
//!
//! Nothing here waits, reads a clock, touches a file or knows Kubernetes' or CRI's wire types: `(ledger, view, policy,
//! now)` go in, the ledger is brought up to date and a [`Verdict`] comes out. The same code serves the agent, the tests and replays of
//! recorded observations. `tests/flow/purity.rs` holds this folder to it.

mod brakes;
mod cause;
mod effect;
mod event;
mod following;
mod last_state;
mod latest;
mod ledger;
mod message;
mod mismatch;
mod moment;
mod named_image;
mod observe;
mod outcome;
mod phrases;
mod pod_id;
mod record;
mod redact;
mod reference;
mod rules;
mod seconds;
mod sources;
mod status;
mod step;
mod text;
mod verdict;
mod view;
mod waiting;
mod wordings;

pub use brakes::BRAKES;
pub use brakes::hold::Hold;
pub use brakes::memory::{BrakeMemory, Brakes, Spent};
pub use brakes::registries::Registries;
pub use brakes::settings::{BrakeRules, Budget, RegistryRule};
pub use cause::{Cause, Class};
pub use effect::{Effect, Note};
pub use event::{Event, Labels};
pub use latest::Latest;
pub use ledger::{Ledger, Mark, Observed, PodRecord, Stage};
pub use moment::Moment;
pub use named_image::{named_image, names_image};
pub use outcome::{Aftermath, Ending, Outcome, Undone};
pub use pod_id::PodId;
pub use record::{Because, Denied, ImageRecord, LastError, Row, Standing};
pub use redact::redacted;
pub use reference::{Reference, may_be_same_image};
pub use rules::annotation::{
    ANNOTATION_FAILURE_COUNT, ANNOTATION_MODE, Complaint, PodMode, Wishes,
};
pub use rules::policy::{Action, NamespaceRule, NodeMode, PodRules, Policy, Scope};
pub use rules::selector::{Requirement, Selector};
pub use rules::threshold::{Progress, Threshold, Thresholds};
pub use step::{Judge, Kept, Settings};
pub use text::{Shown, digest, is_hidden, printable};
pub use verdict::deciding::judge;
pub use verdict::decision::{Decision, Verdict};
pub use verdict::fail_request::FailRequest;
pub use verdict::last_check::still_due;
pub use verdict::reason::Reason;
pub use view::{
    ContainerState, ContainerView, Owner, Phase, PodView, PullPolicy, RestartPolicy, Source,
};
