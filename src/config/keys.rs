//! The keys as a list, made from the settings' types: for flags, variables, the chart and the reference page.

use std::sync::LazyLock;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::document::Settings;
use super::settings::Startup;

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
    /// True if a change takes a restart of the agent.
    pub restart: bool,
}

/// Every key, in the order of the settings.
pub static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let mut keys = Vec::new();
    let schema = schema_by(SchemaSettings::for_serialize);
    add(&mut keys, "", &schema, &Settings::defaults());
    let startup = serde_json::to_value(Startup::default()).unwrap_or_default();
    for key in &mut keys {
        key.restart = startup.get(&key.path).is_some();
    }
    keys
});

/// The schema of the file.
pub fn schema() -> Value {
    let mut schema = schema_by(SchemaSettings::for_deserialize);
    complete(&mut schema, &Settings::defaults());
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

    /// Returns true for a list, which has neither a flag nor a variable.
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

fn schema_by(contract: fn(SchemaSettings) -> SchemaSettings) -> Value {
    let mut settings = contract(SchemaSettings::draft07());
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let generator = SchemaGenerator::new(settings);
    generator.into_root_schema_for::<Settings>().to_value()
}

fn add(keys: &mut Vec<Key>, above: &str, section: &Value, defaults: &Value) {
    // What is written down has every field; here they stand in the order of the struct.
    for name in section["required"].as_array().into_iter().flatten() {
        let Some(name) = name.as_str() else { continue };
        let (path, schema) = (format!("{above}{name}"), &section["properties"][name]);
        let default = &defaults[name];
        if schema["properties"].is_object() {
            add(keys, &format!("{path}."), schema, default);
            continue;
        }
        let example = schema["examples"].get(0).unwrap_or(default);
        // Keys of one type in several sections, such as the thresholds, differ by the section only.
        let section = section["description"]
            .as_str()
            .filter(|_| !above.is_empty());
        let text = |of: &str| schema[of].as_str().unwrap_or_default();
        let help = section.into_iter().chain([text("description")]);
        let words = help.flat_map(str::split_whitespace);
        keys.push(Key {
            path,
            default: default.clone(),
            takes: text("title").to_owned(),
            help: words.collect::<Vec<_>>().join(" "),
            example: example.clone(),
            restart: false,
        });
    }
}

/// Adds the defaults. No key is required, and no unknown key is allowed.
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
