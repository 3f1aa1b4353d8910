//! JSON Schema of the node's log, `docs/pulls.schema.json`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

/// The schema of the node's log.
pub static PULLS: LazyLock<Schema> =
    LazyLock::new(|| Schema::of(include_str!("../../docs/pulls.schema.json")));

/// A validator for each kind of line: the faults by the schemas of other kinds would say nothing.
#[derive(Debug)]
pub struct Schema(BTreeMap<String, Validator>);

impl Schema {
    fn of(text: &str) -> Self {
        let whole: Value = serde_json::from_str(text).unwrap();
        let kinds = whole["oneOf"].as_array().unwrap().iter();
        let validators = kinds.map(|kind| {
            let path = kind["$ref"].as_str().unwrap().trim_start_matches('#');
            let name = &whole.pointer(path).unwrap()["properties"]["kind"]["const"];
            let schema = json!({ "$schema": whole["$schema"], "$defs": whole["$defs"], "$ref": kind["$ref"] });
            let options = jsonschema::options().should_validate_formats(true);
            (name.as_str().unwrap().to_owned(), options.build(&schema).unwrap())
        });
        let validators: Vec<_> = validators.collect();
        let kinds = validators.len();
        let schema = Self(validators.into_iter().collect());
        assert_eq!(schema.0.len(), kinds, "two schemas are of one kind");
        schema
    }

    /// The kinds of line that the schema has.
    pub fn kinds(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// All faults of a line.
    pub fn faults(&self, line: &Value) -> Vec<String> {
        let kind = line["kind"].as_str().unwrap_or_default();
        let Some(validator) = self.0.get(kind) else {
            return vec![format!("there is no kind {kind:?}")];
        };
        let faults = validator.iter_errors(line);
        faults
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect()
    }
}
