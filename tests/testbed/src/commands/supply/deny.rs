//! cargo-deny, by `deny.toml`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use testbed::Progress;

use crate::commands::cargo::{cargo, workspace};

/// Its version.
const VERSION: &str = "0.20.2";

/// Licences, bans and sources must be as `deny.toml` has them; advisories too, where their database can be had.
pub fn check() -> Result<()> {
    let deny = install()?;
    let what = [
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ];
    let well = run(&deny, &what)?;
    ensure!(well, "cargo-deny has found something");
    if run(&deny, &["fetch", "db"])? {
        let well = run(&deny, &["check", "--disable-fetch", "advisories"])?;
        ensure!(well, "there are advisories");
        println!("licences, bans, sources and advisories: well");
    } else {
        println!(
            "licences, bans, sources: well; advisories NOT checked, their database cannot be fetched"
        );
    }
    Ok(())
}

/// Builds it where it is missing.
fn install() -> Result<PathBuf> {
    let root = super::folder()?.join(format!("cargo-deny-{VERSION}"));
    let program = root.join("bin/cargo-deny");
    if program.is_file() {
        return Ok(program);
    }
    Progress::new(false).step(&format!("building cargo-deny {VERSION}"), || {
        let mut cargo = cargo();
        cargo.args(["install", "--quiet", "--locked", "--version", VERSION]);
        let status = cargo.arg("--root").arg(&root).arg("cargo-deny").status();
        let status = status.context("running cargo")?;
        ensure!(
            status.success(),
            "`cargo install cargo-deny` failed ({status})"
        );
        Ok(program)
    })
}

fn run(deny: &Path, arguments: &[&str]) -> Result<bool> {
    let mut deny = Command::new(deny);
    // As cargo would run it.
    deny.args(["--locked", "--manifest-path"])
        .arg(workspace("Cargo.toml"))
        .args(arguments);
    Ok(deny.status().context("running cargo-deny")?.success())
}
