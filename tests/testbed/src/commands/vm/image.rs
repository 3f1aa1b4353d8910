//! The machine's own disk: Debian 13 with systemd, made once and kept in the cache.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use testbed::Progress;

use super::{disk, done};

/// Debian 13.
const SUITE: &str = "trixie";
/// Names another place for its packages than mmdebstrap's default.
const MIRROR: &str = "TESTBED_MIRROR";
/// Its packages beside the essential ones: a kernel, systemd, and what nodes need of a host.
const PACKAGES: &str =
    "linux-image-amd64,initramfs-tools,systemd-sysv,iproute2,kmod,procps,conmon,ca-certificates";

/// The script that runs when the machine is up. The host reads lines that begin with the mark.
const SCRIPT: &str = include_str!("up.sh");
const UNIT: &str = "\
[Unit]
Description=The command of the testbed
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/testbed-up
TimeoutStartSec=infinity
";

/// Files that are newer than the packages' own: systemd then makes no catalog and no database of
/// hardware at every boot.
const UPDATED: [&str; 2] = ["etc/.updated", "var/.updated"];

/// Files that boot a machine.
#[derive(Debug)]
pub struct Image {
    folder: PathBuf,
}

impl Image {
    /// Makes it, where it is missing.
    pub fn made(progress: Progress) -> Result<Self> {
        let mirror = testbed::variable(MIRROR);
        let place = mirror.as_deref().unwrap_or_default().to_string_lossy();
        let updated = UPDATED.concat();
        let texts = [SUITE, &place, PACKAGES, SCRIPT, UNIT, &updated];
        let folder = progress.step("making a machine with Debian 13", || {
            testbed::kept("vm-debian13", &texts, |folder| {
                make(folder, mirror.as_deref())
            })
        })?;
        Ok(Self { folder })
    }

    /// Its disk. A machine writes to a copy.
    pub fn disk(&self) -> PathBuf {
        self.folder.join("disk.ext4")
    }

    /// Its kernel.
    pub fn kernel(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    /// The drivers for its disk.
    pub fn initrd(&self) -> PathBuf {
        self.folder.join("initrd.img")
    }
}

fn make(folder: &Path, mirror: Option<&OsStr>) -> Result<()> {
    let root = folder.join("root");
    let mut debian = Command::new("/usr/bin/mmdebstrap");
    debian
        .args(["--quiet", "--mode=root", "--variant=minbase"])
        .arg(format!("--include={PACKAGES}"))
        .arg(SUITE)
        .arg(&root)
        .args(mirror);
    done(&mut debian).context("installing Debian in a folder")?;
    let units = "etc/systemd/system";
    let wants = format!("{units}/multi-user.target.wants");
    fs::create_dir_all(root.join(&wants)).with_context(|| format!("making /{wants}"))?;
    save(&root.join(units).join("testbed-up.service"), UNIT)?;
    std::os::unix::fs::symlink(
        format!("/{units}/testbed-up.service"),
        root.join(&wants).join("testbed-up.service"),
    )
    .context("having systemd start the testbed's unit")?;
    let script = root.join("usr/local/sbin/testbed-up");
    save(&script, SCRIPT)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, mode)
        .with_context(|| format!("making {} a program", script.display()))?;
    for mark in UPDATED {
        save(&root.join(mark), "")?;
    }
    for name in ["vmlinuz", "initrd.img"] {
        let from = boot_file(&root, name)?;
        fs::copy(&from, folder.join(name))
            .with_context(|| format!("copying {}", from.display()))?;
    }
    disk::make(&folder.join("disk.ext4"), &root)?;
    fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))
}

/// The file of the kernel's package whose name begins so.
fn boot_file(root: &Path, name: &str) -> Result<PathBuf> {
    let boot = root.join("boot");
    let begins = format!("{name}-");
    fs::read_dir(&boot)
        .with_context(|| format!("reading {}", boot.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            let file = path.file_name().unwrap_or_default();
            file.to_string_lossy().starts_with(&begins)
        })
        .with_context(|| format!("the kernel's package brought no {name}"))
}

fn save(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
