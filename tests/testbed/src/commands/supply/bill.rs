//! The bill of materials: every package that the agent is built from, in CycloneDX 1.5 JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, NodeDep};
use serde_json::{Value, json};

use crate::commands::cargo::{cargo, workspace};

/// The target that is shipped; what others would need is not listed.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// A package: its name and its version.
type Package = (String, String);

/// Writes the bill and says how many packages it has, the agent not counted.
pub fn write(path: &Path) -> Result<usize> {
    let lock = workspace("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| format!("reading {}", lock.display()))?;
    // Cargo's metadata has the features of the whole workspace, its tree those of the agent alone.
    let parts = tree("normal,no-proc-macro")?;
    let all = tree("normal,build")?;
    let bill = bill(&metadata()?, &parts, &all, &checksums(&lock))?;
    let text = serde_json::to_string_pretty(&bill).context("encoding the bill")?;
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(bill["components"].as_array().map_or(0, Vec::len))
}

fn output(mut cargo: Command) -> Result<Vec<u8>> {
    let output = cargo.output().context("running cargo")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{cargo:?} failed: {told}");
    Ok(output.stdout)
}

fn metadata() -> Result<Metadata> {
    let mut cargo = cargo();
    cargo.args(["metadata", "--locked", "--format-version=1"]);
    let text = String::from_utf8(output(cargo)?).context("reading cargo's metadata")?;
    MetadataCommand::parse(text).context("reading cargo's metadata")
}

/// The packages that are reached from the agent by these kinds of dependencies.
fn tree(edges: &str) -> Result<BTreeSet<Package>> {
    let mut cargo = cargo();
    cargo.args(["tree", "--locked", "--prefix=none", "--package=pullwarden"]);
    cargo.args(["--target", TARGET, "--edges", edges]);
    let text = String::from_utf8(output(cargo)?).context("reading cargo's tree")?;
    let packages = text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(" v")?;
        Some((name.to_owned(), rest.split(' ').next()?.to_owned()))
    });
    Ok(packages.collect())
}

/// The checksums in Cargo.lock.
fn checksums(lock: &str) -> BTreeMap<Package, String> {
    let packages = lock.split("[[package]]").skip(1);
    let of = |package: &str, key: &str| {
        let mut lines = package.lines();
        let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
        Some(value.trim_end_matches('"').to_owned())
    };
    packages
        .filter_map(|p| Some(((of(p, "name")?, of(p, "version")?), of(p, "checksum")?)))
        .collect()
}

fn key(package: &cargo_metadata::Package) -> Package {
    (package.name.to_string(), package.version.to_string())
}

fn purl((name, version): &Package) -> String {
    format!("pkg:cargo/{name}@{version}")
}

fn bill(
    metadata: &Metadata,
    parts: &BTreeSet<Package>,
    all: &BTreeSet<Package>,
    checksums: &BTreeMap<Package, String>,
) -> Result<Value> {
    let packages = metadata.packages.iter();
    let packages: BTreeMap<_, _> = packages
        .filter(|package| all.contains(&key(package)))
        .map(|package| (&package.id, package))
        .collect();
    ensure!(
        packages.len() == all.len(),
        "cargo's tree has {} packages, its metadata {} of them",
        all.len(),
        packages.len()
    );
    let agent = packages
        .values()
        .find(|package| package.name == "pullwarden")
        .context("cargo knows no package `pullwarden`")?;
    let components = packages.values().filter(|package| package.id != agent.id);
    let components = components.map(|package| {
        let key = key(package);
        let mut component = json!({
            "type": "library",
            "bom-ref": purl(&key),
            "purl": purl(&key),
            "name": key.0,
            "version": key.1,
            "scope": if parts.contains(&key) { "required" } else { "excluded" },
        });
        if let Some(licence) = &package.license {
            // The older way to write "or", which is no SPDX expression.
            component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
        }
        if let Some(checksum) = checksums.get(&key) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
        }
        component
    });
    let resolve = metadata
        .resolve
        .as_ref()
        .context("cargo resolved nothing")?;
    let graph = resolve.nodes.iter().filter_map(|node| {
        let package = packages.get(&node.id)?;
        let is_built = |dependency: &&NodeDep| {
            let mut kinds = dependency.dep_kinds.iter();
            kinds.any(|kind| kind.kind != DependencyKind::Development)
        };
        let on = node.deps.iter().filter(is_built);
        let on = on.filter_map(|dependency| packages.get(&dependency.pkg));
        let on: BTreeSet<String> = on.map(|package| purl(&key(package))).collect();
        Some(json!({"ref": purl(&key(package)), "dependsOn": on}))
    });
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {
            "type": "application",
            "bom-ref": purl(&key(agent)),
            "purl": purl(&key(agent)),
            "name": "pullwarden",
            "version": agent.version,
            "licenses": [{"expression": agent.license}],
        }},
        "components": components.collect::<Vec<_>>(),
        "dependencies": graph.collect::<Vec<_>>(),
    }))
}
