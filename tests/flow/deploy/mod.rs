//! The manifests and the documentation, held against the code.

mod conditions;
mod documented;
mod keys;
mod manifests;
