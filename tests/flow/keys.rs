//! The keys of the configuration are the same everywhere: in the agent's types, the reference page, README and the chart.
//! `KEYS=write` writes the page's list and the chart's schema anew from the types.

use std::collections::BTreeMap;
use std::path::Path;

use pullwarden::config::{Config, KEYS, Key, load, schema};
use serde_json::{Value, json};

fn text_of(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The text between two marks of a file is this. Writes it there, if that is asked for.
#[track_caller]
fn check(file: &str, [from, to]: [&str; 2], expected: &str) {
    let text = text_of(file);
    let (before, rest) = text.split_once(from).unwrap();
    let (found, after) = rest.split_once(to).unwrap();
    if std::env::var("KEYS").is_ok_and(|value| value == "write") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        std::fs::write(path, [before, from, expected, to, after].concat()).unwrap();
        return;
    }
    assert_eq!(
        found, expected,
        "{file} differs from the settings; KEYS=write cargo test --test flow keys"
    );
}

/// The key and its value as one line of YAML.
fn yaml(key: &Key, value: &Value) -> String {
    let mut levels = key.path.split('.').rev();
    let last = levels.next().unwrap();
    let of = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items = items.iter().map(|item| match item {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    };
    let innermost = format!("{last}: {}", of(value));
    levels.fold(innermost, |inner, level| format!("{level}: {{ {inner} }}"))
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
        key.help.replace(". ", ".\n").replace("; ", ";\n"),
        key.takes,
        yaml(key, &key.example),
    )
}

#[test]
fn the_reference_page_has_every_key() {
    let sections: String = KEYS.iter().map(section).collect();
    let marks = [
        "<!-- The list of keys begins. -->\n",
        "\n<!-- The list of keys ends. -->",
    ];
    check("docs/configuration.md", marks, &sections);
    let long = text_of("docs/configuration.md");
    let mut lines = long.lines().filter(|line| !line.starts_with('|'));
    assert_eq!(lines.find(|line| line.chars().count() > 120), None);
}

#[test]
fn the_charts_schema_has_every_key() {
    let config = serde_json::to_string_pretty(&schema()).unwrap();
    let marks = ["\n  \"definitions\": {\n    \"config\": ", "\n  }\n}\n"];
    check(
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
fn the_readme_lists_every_key_with_its_default() {
    let readme = text_of("README.md");
    let start = readme.find("nodeName: null").unwrap();
    let text = readme[start..].split("```").next().unwrap();
    assert_eq!(load_of(text), load_of(""));
    let listed: Value = serde_saphyr::from_str(text).unwrap();
    for key in KEYS.iter() {
        let pointer = format!("/{}", key.path.replace('.', "/"));
        assert!(
            listed.pointer(&pointer).is_some(),
            "{} is not listed",
            key.path
        );
    }
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
