//! Disks with a file system, made without mounting anything.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::done;

/// Room beside the files, in MiB. It takes no space on the host before it is used.
const ROOM: u64 = 4096;

/// Makes a disk with the files of a folder.
pub fn make(disk: &Path, folder: &Path) -> Result<()> {
    let mib = size(folder)? / (1024 * 1024);
    // A block for each small file, and the file system's own.
    let mib = mib + mib / 4 + ROOM;
    let mut mke2fs = Command::new("/usr/sbin/mke2fs");
    mke2fs
        .args(["-q", "-F", "-t", "ext4", "-d"])
        .arg(folder)
        .arg(disk)
        .arg(format!("{mib}M"));
    done(&mut mke2fs).with_context(|| format!("making the disk {}", disk.display()))
}

/// Bytes in the files of a folder.
fn size(folder: &Path) -> Result<u64> {
    let failed = || format!("reading {}", folder.display());
    let mut sum = 0;
    for entry in fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let metadata = entry.metadata().with_context(failed)?;
        sum += match metadata.is_dir() {
            true => size(&entry.path())?,
            false => metadata.len(),
        };
    }
    Ok(sum)
}
