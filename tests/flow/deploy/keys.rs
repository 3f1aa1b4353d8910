//! The keys of the configuration are the same everywhere: in the agent's types, the reference page and the chart.
//! `DOCS=write` writes the page's lists and the chart's schema anew from the types.

use std::collections::BTreeMap;
use std::path::Path;

use pullwarden::config::{Config, KEYS, Key, load, schema};
use pullwarden::judge::{ANNOTATIONS, Annotation};
use serde_json::{Value, json};

use crate::support::allowed::read;
use crate::support::generated::{assert_generated, sentences};

fn text_of(file: &str) -> String {
    read(Path::new(file))
}

/// A value as YAML on one line.
fn flow_style(value: &Value) -> String {
    let joined = |items: Vec<String>| items.join(", ");
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(flow_style).collect())),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| format!("{key}: {}", flow_style(value)));
            format!("{{ {} }}", joined(fields.collect()))
        }
        other => other.to_string(),
    }
}

/// The key and its value as one line of YAML.
fn yaml(key: &Key, value: &Value) -> String {
    let mut levels = key.path.split('.').rev();
    let last = levels.next().unwrap();
    let innermost = format!("{last}: {}", flow_style(value));
    levels.fold(innermost, |inner, level| format!("{level}: {{ {inner} }}"))
}

/// Every key with its default, as a file of YAML.
fn every_default() -> String {
    let mut text = String::new();
    let mut open: Vec<&str> = Vec::new();
    for key in KEYS.iter() {
        let mut levels: Vec<&str> = key.path.split('.').collect();
        let last = levels.pop().unwrap();
        let known = levels.iter().zip(&open).take_while(|(a, b)| a == b).count();
        for (depth, level) in levels.iter().enumerate().skip(known) {
            text += &format!("{}{level}:\n", "  ".repeat(depth));
        }
        let value = flow_style(&key.default);
        text += &format!("{}{last}: {value}\n", "  ".repeat(levels.len()));
        open = levels;
    }
    text
}

/// A key's section of the page, one sentence a line.
fn section(key: &Key) -> String {
    let default = match &key.default {
        Value::Null => "None".to_owned(),
        default => format!("`{}`", yaml(key, default)),
    };
    let given = match key.is_list() {
        true => "The file only".to_owned(),
        false => format!("The file, `--{}`, `{}`", key.flag(), key.variable()),
    };
    let change = match key.restart {
        true => "Takes a restart of the agent",
        false => "Taken up without a restart",
    };
    format!(
        "\n### {}\n\n{}\n\n| | |\n|---|---|\n| Takes | {} |\n| Default | {default} |\n| Example | `{}` |\n| Set by | {given} |\n| A change | {change} |\n",
        key.path,
        sentences(&key.help, ""),
        key.takes,
        yaml(key, &key.example),
    )
}

/// Pages of the reference, and the first words of the keys on each. The last page has all others.
const PAGES: [(&str, &[&str]); 4] = [
    (
        "docs/configuration/judging.md",
        &[
            "mode",
            "action",
            "imagePullFailureCount",
            "imagePullFailureCountMin",
            "imagePullFailureCountMax",
            "thresholds",
            "behindMirror",
        ],
    ),
    ("docs/configuration/scope.md", &["scope"]),
    (
        "docs/configuration/brakes.md",
        &[
            "budget",
            "fleetBudget",
            "registryBrake",
            "newNodeBrake",
            "warmUp",
        ],
    ),
    ("docs/configuration/agent.md", &[]),
];

fn page_of(key: &Key) -> &'static str {
    let word = key.path.split('.').next().unwrap();
    let page = PAGES.iter().find(|(_, words)| words.contains(&word));
    page.unwrap_or(&PAGES[3]).0
}

#[test]
fn the_reference_pages_have_every_key() {
    let marks = [
        "<!-- The list of keys begins. -->\n",
        "\n<!-- The list of keys ends. -->",
    ];
    for (page, words) in PAGES {
        let keys = KEYS.iter().filter(|key| page_of(key) == page);
        let sections: String = keys.map(section).collect();
        assert_generated(page, marks, &sections);
        let long = text_of(page);
        let mut lines = long.lines().filter(|line| !line.starts_with('|'));
        assert_eq!(lines.find(|line| line.chars().count() > 120), None);
        // The overview names them.
        for word in words {
            let overview = text_of("docs/configuration.md");
            assert!(overview.contains(&format!("`{word}`")), "{word}");
        }
    }
}

#[test]
fn the_reference_page_has_every_annotation() {
    let item = |annotation: &Annotation| {
        let Annotation {
            name, takes, about, ..
        } = annotation;
        format!("- `{name}`: {takes}.\n  {}\n", sentences(about, "  "))
    };
    let items: String = ANNOTATIONS.iter().map(item).collect();
    let marks = [
        "<!-- The list of annotations begins. -->\n",
        "<!-- The list of annotations ends. -->",
    ];
    assert_generated("docs/annotations-and-conditions.md", marks, &items);
}

#[test]
fn the_charts_schema_has_every_key() {
    let config = serde_json::to_string_pretty(&schema()).unwrap();
    let marks = ["\n  \"definitions\": {\n    \"config\": ", "\n  }\n}\n"];
    assert_generated(
        "deploy/chart/values.schema.json",
        marks,
        &config.replace('\n', "\n    "),
    );
    let whole: Value = serde_json::from_str(&text_of("deploy/chart/values.schema.json")).unwrap();
    assert_eq!(whole["definitions"]["config"], schema());
}

fn load_of(text: &str) -> Config {
    let flags = BTreeMap::from([("nodeName", "n".to_owned()), ("ownPod", "n/p".to_owned())]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    load(&flags, |_| None, Some(file.path())).unwrap_or_else(|faults| panic!("{text}{faults}"))
}

#[test]
fn every_example_and_default_is_without_faults() {
    for key in KEYS.iter() {
        load_of(&yaml(key, &key.example));
        assert_eq!(
            load_of(&yaml(key, &key.default)),
            load_of(""),
            "{}",
            key.path
        );
        assert!(
            !key.takes.is_empty() && !key.help.is_empty(),
            "{}",
            key.path
        );
    }
}

#[test]
fn the_reference_page_has_a_file_with_every_default() {
    let text = every_default();
    assert_eq!(load_of(&text), load_of(""));
    let marks = [
        "<!-- The file with every default begins. -->\n",
        "<!-- The file with every default ends. -->",
    ];
    let block = format!("```yaml\n{text}```\n");
    assert_generated("docs/configuration.md", marks, &block);
}

#[test]
fn every_key_has_a_flag_and_a_variable_by_its_path() {
    let key = KEYS.iter().find(|key| key.path == "budget.perOwner");
    let key = key.unwrap();
    assert_eq!(key.flag(), "budget-per-owner");
    assert_eq!(key.variable(), "PULLWARDEN_BUDGET_PER_OWNER");
    assert_eq!(
        (key.takes.as_str(), &key.default),
        ("a whole number from 1", &json!(3))
    );
}
