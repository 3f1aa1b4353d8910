//! Random tests: how many cases, and which ones.

use proptest::test_runner::{Config, RngSeed};

/// So many cases, the same in each run unless somebody asks for others (`testbed::random`). A case
/// that fails becomes a plain test: nothing is kept in files.
pub fn cases(cases: u32) -> Config {
    let times = u32::try_from(testbed::random::times().unwrap()).unwrap();
    Config {
        cases: cases * times,
        rng_seed: RngSeed::Fixed(testbed::random::seed().unwrap()),
        failure_persistence: None,
        ..Config::default()
    }
}
