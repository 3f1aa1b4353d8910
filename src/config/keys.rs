//! The keys as a list, made from the settings' types: for flags, variables, the chart and the reference page.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::document::Settings;
use super::settings::{Judging, Startup, Watching};

/// Key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// The place in the file, its levels joined by dots.
    pub path: String,
    /// The default; `null` where there is none.
    pub default: Value,
    /// The values that it takes, in a few words.
    pub takes: String,
    /// The meaning, in sentences.
    pub help: String,
    /// A value for an example.
    pub example: Value,
    /// Whether a change takes a restart of the agent.
    pub restart: bool,
}

/// Every key, in the order of the settings.
pub static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let mut keys = Vec::new();
    let defaults = Value::Object(Settings::defaults());
    for (root, restart) in roots(SchemaSettings::for_serialize) {
        add(&mut keys, "", &root, &defaults, restart);
    }
    keys
});

/// The schema of the file.
pub fn schema() -> Value {
    let mut properties = Map::new();
    for (root, _) in roots(SchemaSettings::for_deserialize) {
        if let Some(Value::Object(own)) = root.get("properties") {
            properties.extend(own.clone());
        }
    }
    let mut schema = json!({ "properties": properties });
    complete(&mut schema, &Value::Object(Settings::defaults()));
    schema
}

impl Key {
    /// The flag's name, without the dashes.
    pub fn flag(&self) -> String {
        self.words('-').to_ascii_lowercase()
    }

    /// The environment variable's name.
    pub fn variable(&self) -> String {
        format!("PULLWARDEN_{}", self.words('_').to_ascii_uppercase())
    }

    /// Whether it holds a list, which has neither a flag nor a variable.
    pub fn is_list(&self) -> bool {
        self.default.is_array()
    }

    fn words(&self, separator: char) -> String {
        let mut out = String::new();
        for character in self.path.chars() {
            match character {
                '.' => out.push(separator),
                upper if upper.is_ascii_uppercase() => out.extend([separator, upper]),
                other => out.push(other),
            }
        }
        out
    }
}

/// The schema of each root, and whether a change of its keys takes a restart.
fn roots(contract: fn(SchemaSettings) -> SchemaSettings) -> [(Value, bool); 3] {
    fn schema_of<T: JsonSchema>(settings: SchemaSettings) -> Value {
        let generator = SchemaGenerator::new(settings);
        generator.into_root_schema_for::<T>().to_value()
    }
    let mut settings = contract(SchemaSettings::draft07());
    settings.inline_subschemas = true;
    [
        (schema_of::<Judging>(settings.clone()), false),
        (schema_of::<Watching>(settings.clone()), false),
        (schema_of::<Startup>(settings), true),
    ]
}

fn add(keys: &mut Vec<Key>, above: &str, section: &Value, defaults: &Value, restart: bool) {
    let Some(properties) = section["properties"].as_object() else {
        return;
    };
    // What is written down has every field; here they stand in the order of the struct.
    for name in section["required"].as_array().into_iter().flatten() {
        let Some(name) = name.as_str() else { continue };
        let (path, schema) = (format!("{above}{name}"), &properties[name]);
        let default = &defaults[name];
        if schema["properties"].is_object() {
            add(keys, &format!("{path}."), schema, default, restart);
            continue;
        }
        let example = schema["examples"].get(0).unwrap_or(default);
        let help = schema["description"].as_str().unwrap_or_default();
        keys.push(Key {
            path,
            default: default.clone(),
            takes: takes(schema),
            help: help.split_whitespace().collect::<Vec<_>>().join(" "),
            example: example.clone(),
            restart,
        });
    }
}

fn takes(schema: &Value) -> String {
    if let Some(title) = schema["title"].as_str() {
        return title.to_owned();
    }
    let words = schema["enum"].as_array().into_iter().flatten();
    let words: Vec<&str> = words.filter_map(Value::as_str).collect();
    match words.as_slice() {
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
        [] => String::new(),
    }
}

/// No key must be given, no other key may be, and each has a default.
fn complete(section: &mut Value, defaults: &Value) {
    if let Some(Value::Object(properties)) = section.get_mut("properties") {
        for (name, schema) in properties {
            match schema["properties"].is_object() {
                true => complete(schema, &defaults[name]),
                false => schema["default"] = defaults[name].clone(),
            }
        }
    }
    if let Value::Object(section) = section {
        section.remove("required");
        section.insert("type".to_owned(), json!("object"));
        section.insert("additionalProperties".to_owned(), json!(false));
    }
}
