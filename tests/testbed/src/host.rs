//! What a node needs of the host.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::progress::Progress;

const OVERLAYFS: u64 = 0x794c_7630;

/// Only root can make the namespaces, mounts and cgroups of a node.
pub fn check_root() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("a testbed needs root: it makes namespaces, mounts and cgroups");
    }
    Ok(())
}

/// Inotify instances of a node: 11 at rest, the others for its containers and controllers.
const INOTIFY_OF_A_NODE: usize = 24;

/// File with the limit of inotify instances for each user.
const INOTIFY_LIMIT: &str = "/proc/sys/fs/inotify/max_user_instances";

/// An error where a further node would take more inotify instances than the kernel allows: the
/// kubelet would end with "too many open files".
pub fn check_inotify() -> Result<()> {
    let text = std::fs::read_to_string(INOTIFY_LIMIT)
        .with_context(|| format!("reading {INOTIFY_LIMIT}"))?;
    let limit = text
        .trim()
        .parse()
        .with_context(|| format!("decoding {INOTIFY_LIMIT}"))?;
    enough_inotify(inotify_instances(), limit)
}

fn enough_inotify(used: usize, limit: usize) -> Result<()> {
    let wanted = used.saturating_add(INOTIFY_OF_A_NODE);
    if wanted > limit {
        bail!(
            "{used} inotify instances are in use, a node needs some {INOTIFY_OF_A_NODE} more, and \
             fs.inotify.max_user_instances is {limit}: end other nodes, or run \
             `sysctl -w fs.inotify.max_user_instances={}`",
            wanted.saturating_mul(2).next_power_of_two()
        );
    }
    Ok(())
}

/// The inotify instances that this user's processes have open. A process may end meanwhile.
fn inotify_instances() -> usize {
    use std::os::unix::fs::MetadataExt as _;
    let ours = rustix::process::geteuid().as_raw();
    let files = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let processes = files(Path::new("/proc")).filter(|process| {
        let is_ours = process.metadata().is_ok_and(|of| of.uid() == ours);
        let name = process.file_name();
        is_ours && name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
    });
    let open = processes.flat_map(|process| files(&process.path().join("fd")));
    let targets = open.filter_map(|file| std::fs::read_link(file.path()).ok());
    targets
        .filter(|target| target.as_os_str() == "anon_inode:inotify")
        .count()
}

/// Where `ip` is; its package is installed if it is nowhere.
pub fn need_ip(progress: Progress) -> Result<()> {
    let places = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"];
    if places.iter().any(|place| Path::new(place).exists()) {
        return Ok(());
    }
    install("ip", "iproute2", progress)
}

/// Installs a Debian package unless the file that it brings is there.
pub fn need(file: &str, package: &str, progress: Progress) -> Result<()> {
    if Path::new(file).exists() {
        Ok(())
    } else {
        install(file, package, progress)
    }
}

fn install(what: &str, package: &str, progress: Progress) -> Result<()> {
    progress.say(&format!(
        "{what} is missing: installing the Debian package {package}"
    ));
    for arguments in [
        &["update", "-q"][..],
        &["install", "-qy", "--no-install-recommends", package],
    ] {
        let output = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("running apt-get to install {package}, for {what}"))?;
        if !output.status.success() {
            bail!(
                "apt-get could not install {package}, for {what}:\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
    Ok(())
}

/// Environment variable; an empty one counts as absent.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The testbed's program: `TESTBED_BIN`, or beside the running one, or a folder above it (where
/// cargo puts binaries when it runs tests from `deps`).
pub fn testbed() -> Result<PathBuf> {
    if let Some(path) = variable("TESTBED_BIN") {
        let path = PathBuf::from(path);
        return path
            .canonicalize()
            .with_context(|| format!("TESTBED_BIN is {}", path.display()));
    }
    let exe = std::env::current_exe().context("finding the running program")?;
    exe.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("testbed"))
        .find(|path| path.is_file())
        .with_context(|| {
            format!(
                "the program `testbed` is not beside {} nor a folder above it: run `cargo build -p testbed`, or set TESTBED_BIN",
                exe.display()
            )
        })
}

/// The folder for nodes' folders: `TESTBED_RUN`, or the first usual one that overlayfs can write
/// to (it cannot stack on itself, as it would on a container's own root). Short, as sockets' paths
/// are limited to 107 bytes.
pub fn run_folder() -> Result<PathBuf> {
    if let Some(path) = variable("TESTBED_RUN") {
        let path = PathBuf::from(path);
        std::fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        return path
            .canonicalize()
            .with_context(|| format!("resolving {}", path.display()));
    }
    for folder in ["/tmp", "/var/tmp", "/dev/shm"] {
        let folder = Path::new(folder);
        let Ok(stat) = rustix::fs::statfs(folder) else {
            continue;
        };
        if u64::try_from(stat.f_type).ok() != Some(OVERLAYFS) {
            return Ok(folder.to_owned());
        }
    }
    bail!(
        "/tmp, /var/tmp and /dev/shm are all on overlayfs, which containers cannot be put on: set TESTBED_RUN"
    )
}

/// A program that talks to loopback in a node must not be sent to the host's proxy.
pub fn without_proxies(command: &mut Command) {
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ] {
        command.env_remove(OsStr::new(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_inotify_instances_are_an_error_with_a_remedy() {
        assert!(enough_inotify(104, 128).is_ok());
        let error = enough_inotify(105, 128).map_err(|error| error.to_string());
        let error = error.err().unwrap_or_default();
        assert!(
            error.ends_with("`sysctl -w fs.inotify.max_user_instances=512`"),
            "{error}"
        );
    }

    #[test]
    fn inotify_instances_are_counted() -> Result<()> {
        let before = inotify_instances();
        let flags = rustix::fs::inotify::CreateFlags::CLOEXEC;
        let held: Vec<_> = (0..20)
            .map(|_| rustix::fs::inotify::init(flags))
            .collect::<rustix::io::Result<_>>()?;
        // Others come and go meanwhile.
        assert!(inotify_instances() >= before.saturating_add(held.len() / 2));
        Ok(())
    }
}
