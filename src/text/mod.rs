//! Texts of others, made safe: without secrets, of bounded length, and harmless to a terminal.
//!
//! Every part that takes in or shows such texts uses this room. The room knows nothing but `std`.

pub mod digest;
pub mod escaping;
pub mod redact;
pub mod shown;

pub use redact::redacted;
pub use shown::{Shown, cut, is_hidden, printable};
