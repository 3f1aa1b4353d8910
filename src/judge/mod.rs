//! The judgement: from what was reported to what should be done about it. The room is pure:
//! `(ledger, view, policy, now)` go in, the ledger is brought up to date, a [`Verdict`] comes out.
//! The agent, the tests and replays of recorded logs use the same code. The crate `tests/pure`
//! compiles it with serde alone.

pub mod brakes;
pub mod cause;
pub mod counting;
mod effect;
mod event;
mod latest;
mod outcome;
pub mod pod;
pub mod rules;
mod seconds;
mod settings;
mod step;
pub mod verdict;

pub use brakes::BRAKES;
pub use brakes::fleet::about;
pub use brakes::fleet_memory::{FleetMemory, Shut};
pub use brakes::hold::{Brake, Hold};
pub use brakes::registries::{Registries, RegistryRule};
pub use brakes::state::{BrakeMemory, BrakeRules, Brakes, Budget, Spent};
pub use brakes::stopped_memory::{Stop, Stops};
pub use cause::{Cause, Class, named_image, names_image};
pub use counting::{
    Because, Denied, ImageRecord, LastError, Ledger, Mark, Observed, PodRecord, Row, Stage,
    Standing,
};
pub use effect::{Effect, Note};
pub use event::Event;
pub use latest::Latest;
pub use outcome::{Aftermath, Ending, Outcome, Undone};
pub use pod::{
    ContainerState, ContainerView, Moment, Owner, Phase, PodId, PodView, PullPolicy, Reference,
    RestartPolicy, Source, may_be_same_image,
};
pub use rules::annotation::{
    ANNOTATION_FAILURE_COUNT, ANNOTATION_MODE, ANNOTATIONS, Annotation, Complaint, PodMode, Wishes,
};
pub use rules::counts::Counts;
pub use rules::defaults::{CountRange, NamespaceView, Namespaces};
pub use rules::mirrors::BehindMirror;
pub use rules::observing::Observing;
pub use rules::pods::PodRule;
pub use rules::policy::{Action, NamespaceRule, NodeMode, PodRules, Policy, Scope, Switches};
pub use rules::selector::{Requirement, Selector};
pub use rules::threshold::{Progress, Threshold, Thresholds};
pub use settings::Settings;
pub use step::{Judge, Kept};
pub use verdict::decision::{Decision, Verdict};
pub use verdict::fail_request::{Asks, FailRequest};
pub use verdict::last_check::still_due;
pub use verdict::reason::Reason;
pub use verdict::snapshot::{Failing, Snapshot};
