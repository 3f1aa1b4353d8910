//! Manifests of a controller's module, and how they are changed for a process outside the cluster.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::Place;
use crate::cache::MANIFESTS;

impl Place {
    /// A file or folder of the controller's module.
    pub fn manifest(&self, path: &str) -> PathBuf {
        self.build.join(MANIFESTS).join(path)
    }

    /// Writes a file into the controller's own folder.
    pub fn write(&self, name: &str, content: &Value) -> Result<PathBuf> {
        let path = self.dir.join(name);
        let text = serde_json::to_vec_pretty(content).context("encoding a configuration")?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

/// The objects of a YAML file.
pub fn read(path: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(&text)
        .with_context(|| format!("decoding {}", path.display()))?;
    objects.retain(Value::is_object);
    Ok(objects)
}

/// The objects of a folder's YAML files whose names begin with `prefix`, in the order of the names.
pub fn read_folder(folder: &Path, prefix: &str) -> Result<Vec<Value>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .with_context(|| format!("reading {}", folder.display()))?;
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(prefix) && name.ends_with(".yaml")
    });
    files.sort();
    let mut objects = Vec::new();
    for file in files {
        objects.extend(read(&file)?);
    }
    Ok(objects)
}

/// The CRDs of a folder. No webhook converts: tests make objects of the version that is stored.
pub fn crds(folder: &Path) -> Result<Vec<Value>> {
    let mut crds = read_folder(folder, "")?;
    crds.retain(|object| object["kind"] == "CustomResourceDefinition");
    for spec in crds
        .iter_mut()
        .filter_map(|crd| crd["spec"].as_object_mut())
    {
        spec.remove("conversion");
    }
    Ok(crds)
}

/// A namespace.
pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// The webhooks of a module, called at a port of the node by URL. `prefix` makes their names its own.
/// `narrow` limits a webhook for resources that others have too.
pub fn webhooks(
    place: &Place,
    prefix: &str,
    port: u16,
    narrow: impl Fn(&str, &mut Value),
) -> Result<Vec<Value>> {
    let authority = fs::read(&place.authority)
        .with_context(|| format!("reading {}", place.authority.display()))?;
    let authority = BASE64_STANDARD.encode(authority);
    let mut configurations = read(&place.manifest("config/components/webhook/manifests.yaml"))?;
    for configuration in &mut configurations {
        let name = configuration["metadata"]["name"].as_str();
        configuration["metadata"]["name"] = json!(format!("{prefix}-{}", name.unwrap_or_default()));
        let webhooks = configuration["webhooks"].as_array_mut();
        for webhook in webhooks.context("the module's webhooks have another form")? {
            let path = webhook["clientConfig"]["service"]["path"].as_str();
            let url = format!("https://127.0.0.1:{port}{}", path.unwrap_or_default());
            webhook["clientConfig"] = json!({"url": url, "caBundle": authority});
            let resource = webhook["rules"][0]["resources"][0].as_str();
            let resource = resource.unwrap_or_default().to_owned();
            narrow(&resource, webhook);
        }
    }
    Ok(configurations)
}
