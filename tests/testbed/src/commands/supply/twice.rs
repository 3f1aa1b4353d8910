//! Whether the agent can be built again: two static builds in two folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::commands::cargo::{Build, build_in, workspace};

/// Builds twice and says what both are, in hexadecimal digits of SHA-256.
pub fn build() -> Result<String> {
    let folder = super::folder()?;
    // Names of different lengths: what is written into the program would move all that follows.
    let first = digest_of(&folder.join("once"))?;
    let second = digest_of(&folder.join("another-time"))?;
    ensure!(
        first == second,
        "two builds differ: sha256 {first} and {second}"
    );
    Ok(first)
}

/// Copies what git knows of, as it is now, and builds it there; the folder is removed afterwards.
fn digest_of(folder: &Path) -> Result<String> {
    remove(folder)?;
    for file in files()? {
        let to = folder.join(&file);
        let parent = to.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        fs::copy(workspace("").join(&file), &to)
            .with_context(|| format!("copying {}", file.display()))?;
    }
    let programs = build_in(folder, "pullwarden", Build::Static)?;
    let program = programs
        .get("pullwarden")
        .context("cargo named no program `pullwarden`")?;
    let bytes = fs::read(program).with_context(|| format!("reading {}", program.display()))?;
    remove(folder)?;
    let digest = Sha256::digest(bytes);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    Ok(())
}

fn files() -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(workspace(""))
        .output()
        .context("running git")?;
    ensure!(output.status.success(), "`git ls-files` failed: {output:?}");
    let names = String::from_utf8(output.stdout).context("reading git's list of files")?;
    let files = names.split('\0').filter(|name| !name.is_empty());
    // One that was removed and not yet said to git.
    Ok(files
        .map(PathBuf::from)
        .filter(|file| workspace("").join(file).is_file())
        .collect())
}
