//! JSON Schema, as far as `docs/pulls.schema.json` uses it.

use std::sync::LazyLock;

use serde_json::Value;

/// The schema of the node's log.
pub static PULLS: LazyLock<Schema> =
    LazyLock::new(|| Schema::of(include_str!("../../docs/pulls.schema.json")));

/// What only tells people something.
const NOTES: [&str; 4] = ["$schema", "$defs", "title", "description"];

/// A schema. What this checker does not know in one is a fault, not passed over.
#[derive(Debug)]
pub struct Schema(Value);

impl Schema {
    /// Reads a schema.
    pub fn of(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap())
    }

    /// The kinds of line that it has.
    pub fn kinds(&self) -> Vec<&str> {
        let all = self.0["oneOf"].as_array().unwrap().iter();
        all.map(|one| {
            self.resolve(one)["properties"]["kind"]["const"]
                .as_str()
                .unwrap()
        })
        .collect()
    }

    /// Everything that is wrong with a line. The schemas of other kinds are not asked: their faults would say nothing.
    pub fn faults(&self, line: &Value) -> Vec<String> {
        let all = self.0["oneOf"].as_array().unwrap().iter();
        let mut of_kind =
            all.filter(|one| self.resolve(one)["properties"]["kind"]["const"] == line["kind"]);
        match (of_kind.next(), of_kind.next()) {
            (Some(one), None) => {
                let mut faults = Vec::new();
                self.check(one, line, "", &mut faults);
                faults
            }
            _ => vec![format!("kind: {} is not one kind of line", line["kind"])],
        }
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(path) => self.0.pointer(path.strip_prefix('#').unwrap()).unwrap(),
            None => schema,
        }
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let mut fault = |what: String| faults.push(format!("{at}: {what}"));
        let rules = schema.as_object().unwrap();
        let mut within = Vec::new();
        for (rule, takes) in rules {
            match rule.as_str() {
                "$ref" => within.push((self.resolve(schema), value, at.to_owned())),
                "type" => {
                    let is = match value {
                        Value::Null => "null",
                        Value::Bool(_) => "boolean",
                        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
                        Value::Number(_) => "number",
                        Value::String(_) => "string",
                        Value::Array(_) => "array",
                        Value::Object(_) => "object",
                    };
                    if takes != is {
                        fault(format!("is {is}, not {takes}"));
                    }
                }
                "const" if takes != value => fault(format!("{value} is not {takes}")),
                "enum" if !takes.as_array().unwrap().contains(value) => {
                    fault(format!("{value} is none of {takes}"));
                }
                "const" | "enum" => {}
                "minimum" if value.as_i64() < takes.as_i64() => fault(format!("below {takes}")),
                "minimum" => {}
                "format" => {
                    assert_eq!(takes, "date-time");
                    let time = value.as_str().map(str::parse::<jiff::Timestamp>);
                    if !matches!(time, Some(Ok(_))) {
                        fault(format!("{value} is no time"));
                    }
                }
                "anyOf" => {
                    let fits = |one: &Value| {
                        let mut faults = Vec::new();
                        self.check(one, value, at, &mut faults);
                        faults.is_empty()
                    };
                    if !takes.as_array().unwrap().iter().any(fits) {
                        fault(format!("{value} is none of what it may be"));
                    }
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        within.push((takes, item, format!("{at}[{index}]")));
                    }
                }
                "required" => {
                    for name in takes.as_array().unwrap() {
                        if value.get(name.as_str().unwrap()).is_none() {
                            fault(format!("{name} is missing"));
                        }
                    }
                }
                "properties" => {
                    for (name, schema) in takes.as_object().unwrap() {
                        if let Some(value) = value.get(name) {
                            within.push((schema, value, format!("{at}.{name}")));
                        }
                    }
                }
                "additionalProperties" => {
                    let known = rules.get("properties");
                    for (name, value) in value.as_object().into_iter().flatten() {
                        if known.is_some_and(|known| known.get(name).is_some()) {
                            continue;
                        }
                        match takes {
                            Value::Bool(false) => fault(format!("{name} is not known")),
                            schema => within.push((schema, value, format!("{at}.{name}"))),
                        }
                    }
                }
                note => assert!(NOTES.contains(&note), "the checker does not know {note}"),
            }
        }
        for (schema, value, at) in within {
            self.check(schema, value, &at, faults);
        }
    }
}
