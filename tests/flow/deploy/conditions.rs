//! The names of the agent's conditions in manifests and in the documentation, and the examples that
//! match them.

use pullwarden::judge::Cause;
use pullwarden::pod_fields::{CONDITION, CONDITION_UNAVAILABLE};

use crate::support::allowed::{files, read};
use crate::support::generated::assert_generated;

/// The lines of each list of `onPodConditions` in a text: all that is indented as far as the key or
/// further, and begins with a dash or stands below one.
fn lists(text: &str) -> Vec<String> {
    let mut lists = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (nth, line) in lines.iter().enumerate() {
        let Some(column) = line.find("onPodConditions:") else {
            continue;
        };
        let indent = |line: &str| line.len() - line.trim_start().len();
        let below = lines[nth + 1..].iter().take_while(|line| {
            indent(line) > column || indent(line) == column && line.trim_start().starts_with("- ")
        });
        let below: Vec<&str> = below.copied().collect();
        lists.push(format!("{}\n{}", &line[column..], below.join("\n")));
    }
    lists
}

/// Not every API server adds the status to the template of a CronJob or of a JobSet.
#[test]
fn every_example_writes_the_status_out() {
    let endings = [".md", ".yaml", ".yml", ".json", ".tpl", ".txt"];
    let folders = ["docs", "deploy", "tests"].into_iter();
    let mut all: Vec<_> = folders.flat_map(|folder| files(folder, &endings)).collect();
    all.push("README.md".into());
    let mut seen = 0;
    for path in all {
        for list in lists(&read(&path)) {
            let count = |word: &str| list.matches(word).count();
            let types = count("type: ");
            assert!(types > 0, "{}: {list}", path.display());
            assert_eq!(
                count("status: \"True\""),
                types,
                "{}: {list}",
                path.display()
            );
            seen += types;
        }
    }
    assert!(
        seen >= 5,
        "README.md and docs/jobs.md have examples: {seen}"
    );
}

#[test]
fn a_list_ends_where_the_next_rule_begins() {
    let text = "rules:\n  - action: FailJob\n    onPodConditions:\n    - type: a\n      status: \"True\"\n  \
        - onPodConditions: [{type: b}]\n  - action: Ignore\n    onExitCodes: {values: [1]}\n";
    let expected = [
        "onPodConditions:\n    - type: a\n      status: \"True\"",
        "onPodConditions: [{type: b}]\n",
    ];
    assert_eq!(lists(text), expected);
}

#[test]
fn the_documentation_has_every_cause_that_speaks_for_all_nodes() {
    let everywhere = Cause::ALL.into_iter().filter(|c| c.fails_everywhere());
    let items: String = everywhere
        .map(|cause| format!("- `{cause}`: {}\n", cause.meaning()))
        .collect();
    let marks = [
        "<!-- The list of causes begins. -->\n",
        "<!-- The list of causes ends. -->",
    ];
    assert_generated("docs/jobs.md", marks, &items);
}

/// A condition that the policy does not know would be denied.
#[test]
fn the_policies_know_both_conditions() {
    for path in ["deploy/base/policy.yaml", "deploy/off/policy.yaml"] {
        let policy = read(path.as_ref());
        for condition in [CONDITION, CONDITION_UNAVAILABLE] {
            let known = format!("c.type == \"{condition}\"");
            assert!(policy.contains(&known), "{path}: {known}");
        }
    }
}
