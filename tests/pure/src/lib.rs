//! The pure part of pullwarden, compiled without anything that is not pure.
//!
//! The only dependency is serde, and `std` means this crate: the compiler refuses every path into
//! the standard library that is not listed here.

#![forbid(unsafe_code)]

extern crate alloc;
extern crate self as std;

// No hash maps among the collections: their order is random.
pub use alloc::{borrow, boxed, collections, string, vec};
pub use core::{array, cmp, convert, error, fmt, iter, mem, num, ops, slice, str};

/// Durations, and no clock.
pub mod time {
    pub use core::time::Duration;
}

#[path = "../../../src/fleet/mod.rs"]
pub mod fleet;
#[path = "../../../src/judge/mod.rs"]
pub mod judge;
#[path = "../../../src/text/mod.rs"]
pub mod text;
