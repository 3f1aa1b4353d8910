//! Texts that others chose: without secrets, of bounded length, and harmless to a terminal.
//!
//! Everything that takes in or shows such texts comes here. The room knows nothing but `std`.

pub mod digest;
pub mod escaping;
pub mod redact;
pub mod shown;

pub use redact::redacted;
pub use shown::{Shown, is_hidden, printable};
