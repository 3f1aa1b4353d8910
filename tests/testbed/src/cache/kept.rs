//! The folder of the cache, and things in it that are made once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::host;

/// Where builds are kept: `TESTBED_CACHE`, or `target/testbed` in the workspace.
fn root() -> PathBuf {
    match host::variable("TESTBED_CACHE") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/testbed"),
    }
}

/// The same folder, made, and without links in its path.
pub fn made_root() -> Result<PathBuf> {
    let root = root();
    fs::create_dir_all(&root)
        .and_then(|()| root.canonicalize())
        .with_context(|| format!("making {}", root.display()))
}

/// The folder `name` in the cache with what `make` puts into it, made now where it is missing. The
/// texts decide what comes out: other texts are another folder.
pub fn kept(name: &str, texts: &[&str], make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let root = made_root()?;
    let done = root.join(format!("{name}-{}", digits(texts)));
    let lock = root.join(format!("{name}.lock"));
    let lock = File::create(&lock).with_context(|| format!("making {}", lock.display()))?;
    lock.lock().context("waiting for another of the same")?;
    if !done.is_dir() {
        let building = root.join(format!("{name}.building"));
        renew(&building)?;
        make(&building)?;
        fs::rename(&building, &done).with_context(|| format!("moving {name} into place"))?;
    }
    Ok(done)
}

/// Makes an empty folder in place of what an interrupted run has left.
pub fn renew(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("removing the interrupted {}", folder.display()))?;
    }
    fs::create_dir(folder).with_context(|| format!("making {}", folder.display()))
}

/// Texts as 16 hexadecimal digits.
fn digits(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    sixteen(hash)
}

/// A hash as 16 hexadecimal digits.
pub fn sixteen(hash: Sha256) -> String {
    let bytes = hash.finalize();
    bytes.iter().take(8).map(|b| format!("{b:02x}")).collect()
}
