//! The seed of random tests. `cargo test` and `cargo test-all` try the same cases each time; `cargo
//! soak` explores, and prints what it takes to see the same cases again.

use anyhow::{Context as _, Result};

use crate::clock::unix_micros;
use crate::host::variable;

/// The variable that says which cases are tried.
pub const SEED: &str = "PULLWARDEN_SEED";

/// The variable that says how many times as many cases are tried.
pub const CASES: &str = "PULLWARDEN_CASES";

/// The seed where none is asked for.
const FIXED: u64 = 122_300;

/// The seed that is asked for, or the fixed one.
///
/// # Errors
/// If what is asked for is no number.
pub fn seed() -> Result<u64> {
    number(SEED).map(|seed| seed.unwrap_or(FIXED))
}

/// How many times as many cases are asked for, or one.
///
/// # Errors
/// If what is asked for is no number.
pub fn times() -> Result<u64> {
    number(CASES).map(|times| times.unwrap_or(1))
}

/// The seed that is asked for, or one that nobody has tried.
///
/// # Errors
/// If what is asked for is no number.
pub fn fresh_seed() -> Result<u64> {
    number(SEED).map(|seed| seed.unwrap_or(unix_micros().unsigned_abs()))
}

fn number(name: &str) -> Result<Option<u64>> {
    let Some(value) = variable(name) else {
        return Ok(None);
    };
    let number = value.to_str().and_then(|text| text.parse().ok());
    let number = number.with_context(|| format!("{name} is {value:?}, which is no number"))?;
    Ok(Some(number))
}
