//! Exceptions to the rules for our own text, one file a rule in `tests/data/exceptions`. A line is a
//! number and the place that it belongs to. The numbers may only shrink.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Numbers of findings by place.
pub type Found = BTreeMap<String, usize>;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Asserts that a rule is broken exactly as often, and where, as its exceptions say.
/// `EXCEPTIONS=write` writes them anew, as long as their sum does not grow.
pub fn assert_only_the_allowed(rule: &str, found: &Found) {
    let path = root().join(format!("tests/data/exceptions/{rule}.txt"));
    let text = fs::read_to_string(&path).unwrap();
    let allowed = text.lines().map(|line| {
        let (number, place) = line.split_once(' ').unwrap();
        (place.to_owned(), number.parse().unwrap())
    });
    let allowed: Found = allowed.collect();
    let sum = |all: &Found| all.values().sum::<usize>();
    if std::env::var_os("EXCEPTIONS").is_some_and(|value| value == "write")
        && sum(found) <= sum(&allowed)
    {
        let lines = found.iter().map(|(place, n)| format!("{n} {place}\n"));
        fs::write(&path, lines.collect::<String>()).unwrap();
        return;
    }
    let number = |all: &Found, place: &str| all.get(place).copied().unwrap_or(0);
    let places = found.keys().chain(allowed.keys());
    let faults: BTreeSet<String> = places
        .map(|place| (place, number(&allowed, place), number(found, place)))
        .filter(|(_, allowed, found)| allowed != found)
        .map(|(place, allowed, found)| format!("{place}: {found}, allowed are {allowed}"))
        .collect();
    assert!(
        faults.is_empty(),
        "{rule}: mend what is new; where less was found, run this with EXCEPTIONS=write:\n{}",
        Vec::from_iter(faults).join("\n")
    );
}

/// All files below a folder of the repository whose names end so, by their paths from the root.
pub fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            let name = path.to_str().unwrap();
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Text of a file of the repository.
pub fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}
