//! The table of docs/compatibility.md with the results of all combinations.

use std::fs;

use anyhow::{Context as _, Result};
use testbed::{COMBINATIONS, Combination};

use super::super::cargo;

/// The page that has the table.
const PAGE: &str = "docs/compatibility.md";

/// The lines around the table.
const MARKS: [&str; 2] = [
    "<!-- The table of versions begins. `cargo soak versions::` writes it. -->\n",
    "<!-- The table of versions ends. -->",
];

const HEAD: &str = "\n| Kubernetes | runtime | tests | result | seconds | commit |\n\
                    |---|---|---|---|---|---|\n";

/// Rest of the row of a combination that nobody has run.
const NOT_RUN: &str = " not run yet | | |";

/// Writes the result of a combination into the page. Rows of other combinations stay as they are.
pub fn write(ran: &Combination, result: &str) -> Result<()> {
    let path = cargo::workspace(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let page = with_row(&page, ran, result)?;
    fs::write(&path, page).with_context(|| format!("writing {}", path.display()))
}

fn with_row(page: &str, ran: &Combination, result: &str) -> Result<String> {
    let [from, to] = MARKS;
    let marked = page
        .split_once(from)
        .and_then(|(before, rest)| Some((before, rest.split_once(to)?)));
    let (before, (old, after)) =
        marked.with_context(|| format!("{PAGE} has no table of versions"))?;
    let mut table = HEAD.to_owned();
    for combination in COMBINATIONS {
        let cells = combination.cells()?;
        let kept = old.lines().find_map(|line| line.strip_prefix(&cells));
        let rest = match combination == ran {
            true => result,
            false => kept.unwrap_or(NOT_RUN),
        };
        table.extend([&cells, rest, "\n"]);
    }
    Ok([before, from, &table, "\n", to, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_changes_its_own_row_only() -> Result<()> {
        let page = format!("before\n{}{}after\n", MARKS[0], MARKS[1]);
        let first = with_row(&page, &COMBINATIONS[0], " passed | 1 | a |")?;
        let second = with_row(&first, &COMBINATIONS[1], " failed | 2 | b |")?;
        let row =
            |index: usize, rest: &str| Ok(format!("{}{rest}\n", COMBINATIONS[index].cells()?));
        let rows: Result<Vec<String>> = [
            row(0, " passed | 1 | a |"),
            row(1, " failed | 2 | b |"),
            row(2, NOT_RUN),
        ]
        .into_iter()
        .collect();
        assert!(second.contains(&rows?.concat()), "{second}");
        assert!(second.starts_with("before\n") && second.ends_with("after\n"));
        let again = with_row(&second, &COMBINATIONS[1], " failed | 2 | b |")?;
        assert_eq!(again, second);
        assert!(with_row("", &COMBINATIONS[0], "").is_err());
        Ok(())
    }
}
