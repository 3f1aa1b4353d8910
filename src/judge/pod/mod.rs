//! The words for Pods: what a source reports of one, whose it is, which image it wants, and when.
//!
//! The room holds values. It knows no rule, and nothing of causes and counts.

pub mod id;
pub mod moment;
pub mod reference;
pub(in crate::judge) mod source;
pub mod view;
pub(in crate::judge) mod waiting;

pub use id::PodId;
pub use moment::Moment;
pub use reference::{Reference, may_be_same_image};
pub use source::Source;
pub use view::{ContainerState, ContainerView, Owner, Phase, PodView, PullPolicy, RestartPolicy};
