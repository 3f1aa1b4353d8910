//! Meaning of the text of a pull error: from the kubelet's words to a [`Cause`].
//!
//! A row of a table gives the meaning of one wording. `classify` decides between several signs.
//! The room knows Pods only by their image references, and no counts or rules.

// The tables are `kubelet`, `containerd`, `crio`, `docker`, `registry`, and `system` for wordings
// that they share.
mod classify;
mod containerd;
mod crio;
mod docker;
pub mod kind;
mod kubelet;
mod message;
mod mismatch;
pub mod named_image;
mod phrases;
mod registry;
mod sign;
mod status;
mod system;

pub use kind::{Cause, Class};
pub use named_image::{named_image, names_image};
