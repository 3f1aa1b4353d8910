//! Cross-builds for arm64, and the script that stands in for a program and runs it under emulation.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::commands::cargo;

/// The target, as in deploy/Dockerfile.
const TARGET: &str = "aarch64-unknown-linux-musl";

/// The emulator. It is static, as it must run in any root file system.
pub const EMULATOR: &str = "/usr/bin/qemu-aarch64-static";

/// The compiler of ring's C code.
const COMPILER: &str = "/usr/bin/aarch64-linux-gnu-gcc";

/// Files that are needed, and the Debian packages that bring them.
const NEEDED: [(&str, &str); 3] = [
    (EMULATOR, "qemu-user-static"),
    (COMPILER, "gcc-aarch64-linux-gnu"),
    (
        "/usr/aarch64-linux-gnu/include/stdlib.h",
        "libc6-dev-arm64-cross",
    ),
];

/// An error that has the commands which install what is missing, if something is.
pub fn check_host() -> Result<()> {
    let missing = NEEDED.iter().filter(|(file, _)| !Path::new(file).exists());
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    let mut commands = String::new();
    if !packages.is_empty() {
        let packages = packages.join(" ");
        commands += &format!("\n  apt-get install --yes --no-install-recommends {packages}");
    }
    if !cargo::has_target(TARGET)? {
        commands += &format!("\n  rustup target add {TARGET}");
    }
    ensure!(
        commands.is_empty(),
        "this machine cannot build and run programs for arm64 yet; these commands change that:{commands}"
    );
    Ok(())
}

/// Builds the program that is shipped, and returns its path.
pub fn agent() -> Result<PathBuf> {
    let mut cargo = cross("build");
    cargo.args(["--release", "--bin", "pullwarden"]);
    let mut built = cargo::built("building pullwarden for arm64 (release, static)", cargo)?;
    named("pullwarden", &mut built)
}

/// Builds the flow tests with the program that they start, and returns the paths of both.
pub fn flow_tests() -> Result<(PathBuf, PathBuf)> {
    let mut cargo = cross("test");
    cargo
        .args(["--no-run", "--test", "flow"])
        // Emulation is slow enough.
        .env("CARGO_PROFILE_TEST_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    let mut built = cargo::built("building the flow tests for arm64", cargo)?;
    Ok((named("flow", &mut built)?, named("pullwarden", &mut built)?))
}

fn cross(command: &str) -> Command {
    let mut cargo = cargo::cargo();
    cargo
        .args([command, "--quiet", "--locked", "--package", "pullwarden"])
        .args(["--target", TARGET])
        .env("CC_aarch64_unknown_linux_musl", COMPILER)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld");
    cargo
}

fn named(name: &str, built: &mut BTreeMap<String, PathBuf>) -> Result<PathBuf> {
    let program = built.remove(name);
    program.with_context(|| format!("cargo named no program `{name}`"))
}

/// Puts a script in the place of a program, and returns its path. The script runs the program under
/// emulation, so that a test which starts the program by its path needs no `binfmt_misc`. The next
/// build puts the program back.
pub fn emulate(program: &Path) -> Result<PathBuf> {
    let moved = program.with_extension("arm64");
    fs::rename(program, &moved).with_context(|| format!("renaming {}", program.display()))?;
    let script = format!(
        "#!/bin/sh\nexec {EMULATOR} -0 \"$0\" '{}' \"$@\"\n",
        moved.display()
    );
    fs::write(program, script).with_context(|| format!("writing {}", program.display()))?;
    fs::set_permissions(program, Permissions::from_mode(0o755))
        .with_context(|| format!("making {} a program", program.display()))?;
    Ok(program.to_owned())
}
