//! The names that pullwarden reads and writes in the cluster: the reference page has those of the code, and no others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pullwarden::judge::Cause;
use pullwarden::report::EVENT_REASONS;

use crate::support::allowed::{files, read};
use crate::support::generated::assert_generated;

const PAGE: &str = "docs/annotations-and-conditions.md";

/// Codes in the messages of our admission policies, and the label that they deny. SECURITY.md has them.
const CODES: [&str; 4] = ["altered", "held", "must-be-denied", "writes-off"];

/// Names after `pullwarden.io/` in a text. One in capitals stands for any name.
fn names(text: &str) -> BTreeSet<String> {
    let parts = text.split("pullwarden.io/").skip(1);
    let name = |part: &str| {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        part[..end.unwrap_or(part.len())]
            .trim_end_matches('-')
            .to_owned()
    };
    let is_meant = |name: &String| name.chars().any(|c| c.is_ascii_lowercase());
    parts.map(name).filter(is_meant).collect()
}

fn names_in(files: impl IntoIterator<Item = PathBuf>) -> BTreeSet<String> {
    files
        .into_iter()
        .flat_map(|path| names(&read(&path)))
        .collect()
}

#[test]
fn the_page_of_names_has_those_of_the_code() {
    let page = names(&read(Path::new(PAGE)));
    let manifests = files("deploy", &[".yaml", ".tpl"]);
    let code = names_in(files("src", &[".rs"]).into_iter().chain(manifests));
    let codes: BTreeSet<String> = CODES.map(str::to_owned).into();
    let without: BTreeSet<&String> = code.difference(&codes).collect();
    assert_eq!(page.iter().collect::<BTreeSet<_>>(), without);
}

#[test]
fn every_name_in_a_page_is_one_that_there_is() {
    let mut known = names(&read(Path::new(PAGE)));
    known.extend(CODES.map(str::to_owned));
    let others = ["README.md", "SECURITY.md", "deploy/README.md"].map(PathBuf::from);
    let pages = names_in(files("docs", &[".md", ".yaml"]).into_iter().chain(others));
    let unknown: Vec<&String> = pages.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_page_of_names_has_every_event() {
    let page = read(Path::new(PAGE));
    let (_, section) = page.split_once("\n## Events\n").unwrap();
    let rows = section.split("\n## ").next().unwrap().lines();
    let reasons: Vec<&str> = rows
        .filter_map(|row| row.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(reasons, EVENT_REASONS);
}

#[test]
fn the_page_of_names_has_every_cause() {
    let row = |cause: &Cause| {
        let place = if cause.fails_everywhere() {
            "everywhere"
        } else {
            "this node"
        };
        format!(
            "| `{cause}` | {} | {place} | {} |\n",
            cause.class(),
            cause.meaning()
        )
    };
    let rows: String = Cause::ALL.iter().map(row).collect();
    let marks = [
        "<!-- The table of causes begins. -->\n",
        "<!-- The table of causes ends. -->",
    ];
    let table = format!("| cause | class | fails | meaning |\n|---|---|---|---|\n{rows}");
    assert_generated(PAGE, marks, &table);
}
