//! Registries behind a mirror, as the configuration writes them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::judge::{BehindMirror, Reference};

/// Word for all registries.
const ALL: &str = "all";

/// The word `all`, or a list of registries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrored(pub(super) BehindMirror);

impl<'de> Deserialize<'de> for Mirrored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == ALL => Ok(Self(BehindMirror::All)),
            Value::Array(items) => {
                let names: Result<BTreeSet<String>, String> = items.iter().map(registry).collect();
                let names = names.map_err(D::Error::custom)?;
                Ok(Self(BehindMirror::Only(names)))
            }
            _ => Err(D::Error::custom("is neither `all` nor a list")),
        }
    }
}

/// Reads the name of a registry.
fn registry(item: &Value) -> Result<String, String> {
    let name = item.as_str().unwrap_or_default();
    let image = format!("{name}/repository");
    let registry = Reference::of(&image).registry;
    // Another name of Docker Hub is known by its own one.
    let is_host = registry == name || (name.ends_with("docker.io") && !name.contains('/'));
    match is_host {
        true => Ok(registry.to_owned()),
        false => Err(format!(
            "{item} is not a registry as an image reference names it, like docker.io or registry.example:5000"
        )),
    }
}

impl Serialize for Mirrored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            BehindMirror::All => serializer.serialize_str(ALL),
            BehindMirror::Only(names) => names.serialize(serializer),
        }
    }
}

impl JsonSchema for Mirrored {
    fn schema_name() -> Cow<'static, str> {
        "Mirrored".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "`all`, or a list of registries",
            "anyOf": [
                { "const": ALL },
                { "type": "array", "items": { "type": "string", "minLength": 1 } },
            ],
        })
    }
}
