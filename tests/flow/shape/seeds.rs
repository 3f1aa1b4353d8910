//! Random tests try the same cases in each run: two runs of unchanged code give one answer.

use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::support::random::cases;

/// What a random test is given in a run.
fn run() -> Vec<u64> {
    let mut runner = TestRunner::new(cases(1));
    let mut one = || any::<u64>().new_tree(&mut runner).unwrap().current();
    (0..10).map(|_| one()).collect()
}

#[test]
fn two_runs_try_the_same_cases() {
    assert_eq!(run(), run());
}

#[test]
fn every_random_test_takes_its_cases_from_one_place() {
    let mut blocks = 0;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|end| end != "rs") || path.ends_with(file!()) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let begun = text.matches("proptest! {").count();
            let configured = text.matches("#![proptest_config(cases(").count();
            assert_eq!(begun, configured, "{}", path.display());
            blocks += begun;
        }
    }
    assert!(blocks > 4, "{blocks} are found");
}
