//! What the text of a pull error means: from the kubelet's words to a [`Cause`].
//!
//! A row of a table says what one wording means: `kubelet`, `containerd`, `crio`, `docker`,
//! `registry`, and `system` for what they share. `classify` decides between several signs.
//! The room knows Pods only by their image references, and no counts or rules.

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
