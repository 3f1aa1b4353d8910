//! Parts of documents that are made from the code. Each stands between two marks.

use std::path::Path;

use super::allowed::{read, root};

/// Asserts that the text between two marks of a file is as expected. `DOCS=write` writes it there.
#[track_caller]
pub fn assert_generated(file: &str, [from, to]: [&str; 2], expected: &str) {
    let text = read(Path::new(file));
    let (before, rest) = text.split_once(from).unwrap();
    let (found, after) = rest.split_once(to).unwrap();
    if std::env::var("DOCS").is_ok_and(|value| value == "write") {
        let text = [before, from, expected, to, after].concat();
        std::fs::write(root().join(file), text).unwrap();
        return;
    }
    assert_eq!(
        found, expected,
        "{file} differs from the code; DOCS=write cargo test --test flow"
    );
}

/// Sentences of a text, one a line; a line after the first begins with `indent`.
pub fn sentences(text: &str, indent: &str) -> String {
    let next = |end: &str| format!("{end}\n{indent}");
    text.replace(". ", &next(".")).replace("; ", &next(";"))
}
