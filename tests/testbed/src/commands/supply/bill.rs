//! The bill of materials: every package that the agent is built from, in CycloneDX 1.5 JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::commands::cargo::{cargo, workspace};

/// The target that is shipped; what others would need is not listed.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// Writes the bill and says how many packages it has, the agent not counted.
pub fn write(path: &Path) -> Result<usize> {
    let metadata = metadata()?;
    let lock = workspace("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| format!("reading {}", lock.display()))?;
    let bill = bill(&metadata, &checksums(&lock))?;
    let text = serde_json::to_string_pretty(&bill).context("encoding the bill")?;
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(bill["components"].as_array().map_or(0, Vec::len))
}

fn metadata() -> Result<Value> {
    let mut cargo = cargo();
    cargo.args(["metadata", "--locked", "--format-version=1"]);
    cargo.args(["--filter-platform", TARGET]);
    let output = cargo.output().context("running cargo")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`cargo metadata` failed: {told}");
    serde_json::from_slice(&output.stdout).context("reading cargo's metadata")
}

/// The checksums in Cargo.lock, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let packages = lock.split("[[package]]").skip(1);
    let of = |package: &str, key: &str| {
        let lines = package.lines();
        let mut values = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        Some(values.next()?.trim_end_matches('"').to_owned())
    };
    packages
        .filter_map(|p| Some(((of(p, "name")?, of(p, "version")?), of(p, "checksum")?)))
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// What a package depends on: at run time, and only to be built.
fn dependencies(node: &Value) -> impl Iterator<Item = (&str, bool)> {
    list(node, "deps").filter_map(|dependency| {
        let kinds: Vec<&str> = list(dependency, "dep_kinds")
            .map(|kind| kind["kind"].as_str().unwrap_or("normal"))
            .filter(|kind| *kind != "dev")
            .collect();
        let runs = kinds.contains(&"normal");
        (!kinds.is_empty()).then(|| (text(dependency, "pkg"), runs))
    })
}

fn bill(metadata: &Value, checksums: &BTreeMap<(String, String), String>) -> Result<Value> {
    let packages: BTreeMap<&str, &Value> = list(metadata, "packages")
        .map(|package| (text(package, "id"), package))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"], "nodes")
        .map(|node| (text(node, "id"), node))
        .collect();
    let (root, agent) = packages
        .iter()
        .find(|(_, package)| text(package, "name") == "pullwarden")
        .context("cargo knows no package `pullwarden`")?;
    // Of each package that is reached whether it is part of the program.
    let mut reached: BTreeMap<&str, bool> = BTreeMap::new();
    let mut left = vec![(*root, true)];
    while let Some((id, runs)) = left.pop() {
        if reached.get(id).is_some_and(|known| *known || !runs) {
            continue;
        }
        reached.insert(id, runs);
        for (dependency, needed) in nodes
            .get(id)
            .into_iter()
            .flat_map(|node| dependencies(node))
        {
            left.push((dependency, runs && needed));
        }
    }
    let purl = |id: &str| {
        let package = packages.get(id).copied().unwrap_or(&Value::Null);
        format!(
            "pkg:cargo/{}@{}",
            text(package, "name"),
            text(package, "version")
        )
    };
    let components = reached.iter().filter(|(id, _)| **id != *root);
    let components = components.filter_map(|(id, runs)| {
        let package = packages.get(id)?;
        let key = (
            text(package, "name").to_owned(),
            text(package, "version").to_owned(),
        );
        let mut component = json!({
            "type": "library",
            "bom-ref": purl(id),
            "purl": purl(id),
            "name": key.0,
            "version": key.1,
            "scope": if *runs { "required" } else { "excluded" },
        });
        if let Some(licence) = package["license"].as_str() {
            // The older way to write "or", which is no SPDX expression.
            component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
        }
        if let Some(checksum) = checksums.get(&key) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
        }
        Some(component)
    });
    let graph = reached.keys().map(|id| {
        let on: BTreeSet<String> = nodes
            .get(id)
            .into_iter()
            .flat_map(|node| dependencies(node))
            .map(|(dependency, _)| purl(dependency))
            .collect();
        json!({"ref": purl(id), "dependsOn": on})
    });
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {
            "type": "application",
            "bom-ref": purl(root),
            "purl": purl(root),
            "name": "pullwarden",
            "version": text(agent, "version"),
            "licenses": [{"expression": text(agent, "license")}],
        }},
        "components": components.collect::<Vec<_>>(),
        "dependencies": graph.collect::<Vec<_>>(),
    }))
}
