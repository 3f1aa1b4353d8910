//! The manifests and the documentation, held against the code.

mod documented;
mod keys;
mod manifests;
