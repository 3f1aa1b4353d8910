//! The manifests and the documentation, held against the code.

mod commands;
mod conditions;
mod documented;
mod faults;
mod keys;
mod manifests;
mod names;
mod profiles;
mod versions;
