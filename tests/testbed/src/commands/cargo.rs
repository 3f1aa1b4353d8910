//! Cargo, as the commands run it: the one that runs them, in the workspace of this crate.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use testbed::Progress;

use super::Versions;

/// The variable that names the agent's program, as it is shipped, for tests that install it.
pub const AGENT: &str = "TESTBED_AGENT";

/// A file of the workspace.
pub fn workspace(file: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root).join(file)
}

/// Cargo, in the workspace.
pub fn cargo() -> Command {
    let mut cargo = Command::new(testbed::variable("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace("")).stdin(Stdio::null());
    // What `cargo run` says of this program is not for those that are built: ring builds anew whenever that changes, and
    // everything that stands on it.
    let of_this =
        |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(of_this) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Builds the components that a node of these versions needs, where they are missing.
pub fn build_components(versions: &Versions) -> Result<()> {
    for family in testbed::families(&versions.kubernetes, versions.runtime)? {
        testbed::build(&family, Progress::new(false))?;
    }
    Ok(())
}

/// The tests on a real node that `feature` brings, with arguments for them. `testbed` is this program.
pub fn cluster_tests(
    testbed: &Path,
    versions: &Versions,
    feature: &str,
    arguments: &[&str],
) -> Command {
    let mut cargo = cargo();
    cargo
        .args(["test", "--package=pullwarden", "--features", feature])
        .args(["--test=cluster", "--"])
        .args(arguments)
        .env("TESTBED_BIN", testbed)
        .env("TESTBED_KUBERNETES", &versions.kubernetes)
        .env("TESTBED_RUNTIME", versions.runtime.to_string());
    cargo
}

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// Quickly.
    Debug,
    /// For use.
    Release,
    /// For use, and without any library that it would need: what the image holds.
    Static,
}

/// Builds the agent and says where it is: at `TESTBED_AGENT`, on a machine that builds nothing.
pub fn build_agent(how: Build) -> Result<PathBuf> {
    if let (Some(_), Some(agent)) = (testbed::variable(testbed::BUILT), testbed::variable(AGENT)) {
        return Ok(agent.into());
    }
    let mut programs = build("pullwarden", how)?;
    let agent = programs.remove("pullwarden");
    agent.context("cargo named no program `pullwarden`")
}

/// Builds a package and says where its programs are, by their names.
pub fn build(package: &str, how: Build) -> Result<BTreeMap<String, PathBuf>> {
    build_in(&workspace(""), package, how)
}

/// The same of a copy of the workspace.
pub fn build_in(workspace: &Path, package: &str, how: Build) -> Result<BTreeMap<String, PathBuf>> {
    let what = match how {
        Build::Debug => format!("building {package}"),
        Build::Release => format!("building {package} (release)"),
        Build::Static => format!("building {package} (release, static)"),
    };
    let mut cargo = cargo();
    cargo
        .current_dir(workspace)
        .args(["build", "--quiet", "--bins", "--package", package])
        .args((how != Build::Debug).then_some("--release"));
    if how == Build::Static {
        link_statically(&mut cargo, workspace);
    }
    built(&what, cargo)
}

/// Runs a build by cargo, and says where its programs are, by their names.
pub fn built(what: &str, mut cargo: Command) -> Result<BTreeMap<String, PathBuf>> {
    Progress::new(false).step(what, || {
        let mut child = cargo
            .arg("--message-format=json-render-diagnostics")
            .stdout(Stdio::piped())
            .spawn()
            .context("running cargo")?;
        let stdout = child.stdout.take().context("cargo has no output")?;
        let mut programs = BTreeMap::new();
        for line in BufReader::new(stdout).lines() {
            let line = line.context("reading what cargo says")?;
            programs.extend(executable(&line));
        }
        let status = child.wait().context("waiting for cargo")?;
        if !status.success() {
            bail!("{what} failed: cargo ended with {status}");
        }
        Ok(programs)
    })
}

/// Has cargo link a program that needs no library: with musl, or with glibc where rustup cannot fetch what that takes.
/// Where it is built is no part of it.
fn link_statically(cargo: &mut Command, workspace: &Path) {
    let home = testbed::variable("CARGO_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        PathBuf::from,
    );
    let mut flags = format!(
        "--remap-path-prefix={}=/pullwarden --remap-path-prefix={}=/cargo",
        workspace.display().to_string().trim_end_matches('/'),
        home.display()
    );
    let architecture = std::env::consts::ARCH;
    let musl = format!("{architecture}-unknown-linux-musl");
    match add_target(&musl) {
        Ok(()) => {
            // ring's C needs a compiler, and no library.
            let compiler = format!("CC_{}", musl.replace('-', "_"));
            cargo.args(["--target", &musl]).env(compiler, "gcc");
        }
        Err(error) => {
            println!("{error:#}; linking glibc instead, which does for a test");
            let gnu = format!("{architecture}-unknown-linux-gnu");
            cargo.args(["--target", &gnu]);
            flags.push_str(" -C target-feature=+crt-static");
        }
    }
    cargo.env("RUSTFLAGS", flags);
}

/// Returns whether the standard library for a target is there.
pub fn has_target(target: &str) -> Result<bool> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .current_dir(workspace(""))
        .output()
        .context("running rustc")?;
    let folder = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && Path::new(folder.trim()).is_dir())
}

/// Has rustup fetch the standard library for a target, unless it is there.
fn add_target(target: &str) -> Result<()> {
    if has_target(target)? {
        return Ok(());
    }
    let status = Command::new("rustup")
        .args(["target", "add", target])
        .current_dir(workspace(""))
        .status()
        .context("running rustup")?;
    ensure!(
        status.success(),
        "`rustup target add {target}` failed ({status})"
    );
    Ok(())
}

/// The program that this line of cargo's names, if it does.
pub fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let name = message["target"]["name"].as_str()?.to_owned();
    Some((name, message["executable"].as_str()?.into()))
}
