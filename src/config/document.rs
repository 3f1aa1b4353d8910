//! The configuration as one document: the defaults, with everything over them that is given.
//! Each given value is tried by itself, so that every fault is found.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::settings::{Judging, Startup, Watching};
use super::{Fault, Source};

/// Configuration of the agent.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Settings {
    #[serde(flatten)]
    pub(super) judging: Judging,
    #[serde(flatten)]
    pub(super) watching: Watching,
    #[serde(flatten)]
    pub(super) startup: Startup,
}

type Unreadable = serde_path_to_error::Error<serde_json::Error>;

impl Settings {
    /// Reads a document that has every key.
    fn read(document: &Value) -> Result<Self, Unreadable> {
        fn root<T: DeserializeOwned>(document: &Value) -> Result<T, Unreadable> {
            serde_path_to_error::deserialize(document)
        }
        Ok(Self {
            judging: root(document)?,
            watching: root(document)?,
            startup: root(document)?,
        })
    }

    /// The defaults, as a document that has every key.
    pub(super) fn defaults() -> Value {
        // Text, numbers, lists and mappings by text: each has a form in JSON.
        serde_json::to_value(Self::default()).unwrap_or_default()
    }
}

/// Values by the paths of their keys, of all sources taken together.
#[derive(Debug)]
pub(super) struct Document {
    defaults: Value,
    pub(super) given: BTreeMap<String, (Source, Value)>,
    pub(super) faults: Vec<Fault>,
}

impl Document {
    /// A document of defaults.
    pub(super) fn new() -> Self {
        Self {
            defaults: Settings::defaults(),
            given: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    /// Gives a key a value, in place of the one that it had.
    pub(super) fn set(&mut self, path: &str, source: Source, value: Value) {
        self.given.insert(path.to_owned(), (source, value));
    }

    pub(super) fn fault(&mut self, path: &str, source: Source, problem: String) {
        self.faults.push(Fault {
            path: path.to_owned(),
            source,
            problem,
        });
    }

    /// Lays a file over what is given.
    pub(super) fn set_file(&mut self, path: &Path) {
        let source = Source::File(path.to_owned());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                return self.fault("", source, format!("cannot be read: {error}"));
            }
        };
        // An empty file, or one of comments only, changes nothing.
        // `off`, `no` and `n` are words here, as YAML 1.2 has it.
        let options = serde_saphyr::options! { strict_booleans: true };
        match serde_saphyr::from_str_with_options::<Option<Value>>(&text, options) {
            Ok(None) => {}
            Ok(Some(value)) => self.set_all(&source, value),
            Err(error) => {
                let error = error.to_string();
                let first = error.lines().next().unwrap_or_default();
                self.fault("", source, format!("is not valid YAML: {first}"));
            }
        }
    }

    /// Lays a mapping in the form of the file over what is given.
    pub(super) fn set_all(&mut self, source: &Source, value: Value) {
        match value {
            Value::Null => {}
            Value::Object(map) => {
                let known = self.defaults.clone();
                self.set_section(source, "", &known, map);
            }
            _ => {
                let problem = "is not a mapping of keys to values".to_owned();
                self.fault("", source.clone(), problem);
            }
        }
    }

    fn set_section(
        &mut self,
        source: &Source,
        above: &str,
        known: &Value,
        given: Map<String, Value>,
    ) {
        for (name, value) in given {
            let path = format!("{above}{name}");
            match (known.get(&name), value) {
                (None, _) => self.fault(&path, source.clone(), "is not a known key".to_owned()),
                (_, Value::Null) => {}
                (Some(known @ Value::Object(_)), Value::Object(given)) => {
                    self.set_section(source, &format!("{path}."), known, given);
                }
                (Some(Value::Object(_)), _) => {
                    self.fault(&path, source.clone(), "is not a mapping".to_owned());
                }
                (Some(Value::Array(_)), value)
                    if !value.is_array() && !self.problems(&path, &value).is_empty() =>
                {
                    self.fault(&path, source.clone(), "is not a list".to_owned());
                }
                (Some(_), value) => self.set(&path, source.clone(), value),
            }
        }
    }

    /// Reads the settings of these keys. A key whose value has a fault keeps its default.
    pub(super) fn settings<'a>(
        &mut self,
        paths: impl Iterator<Item = &'a String>,
    ) -> Option<Settings> {
        let mut document = self.defaults.clone();
        for path in paths {
            let Some((source, value)) = self.given.remove(path) else {
                continue;
            };
            let problems = self.problems(path, &value);
            if problems.is_empty() {
                put(&mut document, path, value);
            }
            for (path, problem) in problems {
                self.fault(&path, source.clone(), problem);
            }
        }
        let settings = Settings::read(&document);
        settings
            .map_err(|error| {
                let problem = error.inner().to_string();
                self.fault(&error.path().to_string(), Source::Missing, problem);
            })
            .ok()
    }

    /// Returns the problems of one key's value, each with its path. Items of a list are tried one by one.
    fn problems(&self, path: &str, value: &Value) -> Vec<(String, String)> {
        let parts: Vec<(String, Value)> = match value {
            Value::Array(items) if !items.is_empty() => {
                let items = items.iter().enumerate();
                let only = |item: &Value| Value::Array(vec![item.clone()]);
                items
                    .map(|(index, item)| (format!("{path}[{index}]"), only(item)))
                    .collect()
            }
            _ => vec![(path.to_owned(), value.clone())],
        };
        let mut problems = Vec::new();
        for (at, part) in parts {
            for (below, problem) in self.try_by_itself(path, part) {
                let below = below.strip_prefix("[0]").unwrap_or(&below);
                problems.push((format!("{at}{below}"), problem));
            }
        }
        problems
    }

    /// Tries a value over the defaults. What is wrong inside an item of a list is taken out, so that the next problem shows.
    fn try_by_itself(&self, path: &str, value: Value) -> Vec<(String, String)> {
        let mut document = self.defaults.clone();
        put(&mut document, path, value);
        let mut problems: Vec<(String, String)> = Vec::new();
        while let Err(error) = Settings::read(&document) {
            let at = error.path().to_string();
            let below = at.strip_prefix(path).unwrap_or_default();
            // What was taken out is missed further up: that is no problem of its own.
            let is_missed = |(earlier, _): &(String, _)| earlier.starts_with(below);
            if problems.iter().any(is_missed) {
                break;
            }
            problems.push((below.to_owned(), error.inner().to_string()));
            if matches!(below, "" | "[0]") || !take_out(&mut document, error.path()) {
                break;
            }
        }
        problems
    }
}

/// Puts a value where a path leads in a document that has every key.
fn put(document: &mut Value, path: &str, value: Value) {
    let pointer = format!("/{}", path.replace('.', "/"));
    if let Some(place) = document.pointer_mut(&pointer) {
        *place = value;
    }
}

/// Removes the entry of a mapping; `false` if the path leads to no such entry.
fn take_out(document: &mut Value, path: &serde_path_to_error::Path) -> bool {
    let mut steps = path.iter();
    let Some(Segment::Map { key: last }) = steps.next_back() else {
        return false;
    };
    let parent = steps.try_fold(document, |place, step| match step {
        Segment::Map { key } => place.get_mut(key),
        Segment::Seq { index } => place.get_mut(index),
        _ => None,
    });
    let map = parent.and_then(Value::as_object_mut);
    map.is_some_and(|map| map.remove(last).is_some())
}
