//! The object of the fleet budget, as the fake API server holds it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::store::Refusal;

/// The ConfigMap; there at first, without entries.
#[derive(Debug)]
pub struct FleetObject {
    data: Option<BTreeMap<String, String>>,
    version: u64,
}

impl Default for FleetObject {
    fn default() -> Self {
        Self {
            data: Some(BTreeMap::new()),
            version: 1,
        }
    }
}

impl FleetObject {
    /// Its entries; none if it was deleted.
    pub fn entries(&self) -> BTreeMap<String, String> {
        self.data.clone().unwrap_or_default()
    }

    /// It has these entries from now on.
    pub fn fill(&mut self, entries: impl IntoIterator<Item = (String, String)>) {
        self.data = Some(entries.into_iter().collect());
        self.version += 1;
    }

    /// It is deleted.
    pub fn delete(&mut self) {
        self.data = None;
    }

    /// The answer to a GET.
    pub fn get(&self) -> Result<Value, Refusal> {
        let message = r#"configmaps "pullwarden-fleet" not found"#;
        let not_found = || Refusal(404, "NotFound", message.to_owned());
        let data = self.data.as_ref().ok_or_else(not_found)?;
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "pullwarden-fleet", "namespace": "pullwarden",
                "resourceVersion": self.version.to_string()}});
        if !data.is_empty() {
            object["data"] = json!(data);
        }
        Ok(object)
    }

    /// The answer to a merge patch. The API server allows 1 MiB, keys and values together.
    pub fn patch(&mut self, patch: &Value) -> Result<Value, Refusal> {
        let version = self.get()?["metadata"]["resourceVersion"].clone();
        let wanted = &patch["metadata"]["resourceVersion"];
        if !wanted.is_null() && *wanted != version {
            let message = "Operation cannot be fulfilled: the object has been modified";
            return Err(Refusal(409, "Conflict", message.to_owned()));
        }
        let mut data = self.entries();
        for (key, value) in patch["data"].as_object().into_iter().flatten() {
            match value {
                Value::Null => _ = data.remove(key),
                value => _ = data.insert(key.clone(), value.as_str().unwrap().to_owned()),
            }
        }
        if data.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() > 1 << 20 {
            let message = "[]: Too long: may not be more than 1048576 bytes";
            return Err(Refusal(422, "Invalid", message.to_owned()));
        }
        self.data = Some(data);
        self.version += 1;
        self.get()
    }
}
