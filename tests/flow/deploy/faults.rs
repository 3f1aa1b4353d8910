//! The page of faults: what each runtime says of each fault of the testbed, by the corpus of real errors.

use std::collections::{BTreeMap, BTreeSet};

use pullwarden::judge::Cause;

use crate::judge::corpus::lines;
use crate::support::generated::assert_generated;

/// Columns: a runtime's name, and its file of the corpus.
const RUNTIMES: [(&str, &str); 4] = [
    ("containerd 1.7.35", "containerd-1.7.35.jsonl"),
    ("containerd 2.4.2", "containerd-2.4.2.jsonl"),
    ("CRI-O 1.34.0", "crio-1.34.0.jsonl"),
    ("CRI-O 1.36.3", "crio-1.36.3.jsonl"),
];

const PAGE: &str = "docs/faults.md";
const MARKS: [&str; 2] = [
    "<!-- The table of faults begins. -->\n",
    "<!-- The table of faults ends. -->",
];

#[test]
fn the_page_of_faults_has_every_case_of_the_corpus() {
    let mut causes = BTreeMap::new();
    for line in lines() {
        // A pause repeats the failure before it.
        let shown = match line.reason.as_str() {
            "ImagePullBackOff" => continue,
            "ContainerCreating" => "waits".to_owned(),
            "Running" => "runs".to_owned(),
            reason => {
                let cause = Cause::of(reason, &line.message);
                format!("`{cause}`, {}", cause.class())
            }
        };
        causes.insert((line.case, line.file), shown);
    }
    let of_runtimes = |file: &str| RUNTIMES.iter().any(|(_, own)| *own == file);
    let cases = causes.keys().filter(|(_, file)| of_runtimes(file));
    let cases: BTreeSet<&String> = cases.map(|(case, _)| case).collect();
    let names = RUNTIMES.map(|(name, _)| name).join(" | ");
    let mut table = format!("\n| fault | {names} |\n|---|---|---|---|---|\n");
    for case in &cases {
        let cells = RUNTIMES.map(|(_, file)| {
            let shown = causes.get(&((*case).clone(), file.to_owned()));
            shown.map_or("not tried", String::as_str)
        });
        table += &format!("| `{case}` | {} |\n", cells.join(" | "));
    }
    table += "\n";
    assert_generated(PAGE, MARKS, &table);
    assert!(cases.len() > 50, "{}", cases.len());
}
