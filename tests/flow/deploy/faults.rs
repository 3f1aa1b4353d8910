//! The page of faults: what each runtime says of each fault of the testbed, by the corpus of real errors,
//! and how many failures an agent has counted of how many pulls.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use pullwarden::judge::Cause;
use serde::Deserialize;

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

/// Counts of a case, as `cargo soak matrix::` wrote them down.
#[derive(Deserialize)]
struct Counted {
    case: String,
    counted: u64,
    made: u64,
}

/// The counts of a runtime by case.
fn counts(file: &str) -> BTreeMap<String, Counted> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/counted");
    let text = fs::read_to_string(dir.join(file)).unwrap();
    let counts = text.lines().map(|line| {
        let counted: Counted = serde_json::from_str(line).unwrap();
        (counted.case.clone(), counted)
    });
    counts.collect()
}

#[test]
fn no_more_failures_were_counted_than_pulls_were_made() {
    for (name, file) in RUNTIMES {
        let counts = counts(file);
        assert!(counts.len() > 40, "{name}: {}", counts.len());
        for Counted {
            case,
            counted,
            made,
        } in counts.values()
        {
            assert!(counted <= made, "{name}, {case}: {counted} of {made}");
        }
    }
}

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
    let counts = RUNTIMES.map(|(_, file)| (file, counts(file)));
    for case in &cases {
        let cells = counts.each_ref().map(|(file, counts)| {
            let Some(shown) = causes.get(&((*case).clone(), (*file).to_owned())) else {
                return "not tried".to_owned();
            };
            counts.get(*case).map_or(shown.clone(), |of| {
                format!("{shown}, {} of {}", of.counted, of.made)
            })
        });
        table += &format!("| `{case}` | {} |\n", cells.join(" | "));
    }
    table += "\n";
    assert_generated(PAGE, MARKS, &table);
    assert!(cases.len() > 50, "{}", cases.len());
}
