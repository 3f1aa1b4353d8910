//! The page of compatibility has a row for each combination that `cargo soak versions::` runs.

use std::path::Path;

use testbed::COMBINATIONS;

use crate::support::allowed::read;

#[test]
fn the_table_of_versions_has_the_combinations_that_are_run() {
    let page = read(Path::new("docs/compatibility.md"));
    let (_, rest) = page.split_once("versions::` writes it. -->").unwrap();
    let (table, _) = rest.split_once("<!-- The table of versions ends.").unwrap();
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| 1."))
        .collect();
    assert_eq!(rows.len(), COMBINATIONS.len(), "{rows:#?}");
    for (row, combination) in rows.iter().zip(COMBINATIONS) {
        assert!(row.starts_with(&combination.cells().unwrap()), "{row}");
    }
}
