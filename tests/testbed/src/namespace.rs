//! The namespaces that a node lives in, seen from its first process.

use std::ffi::CString;
use std::fs;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::cgroup::Cgroups;
use crate::plan::Plan;
use crate::settings::{NODE_IP, SERVICE_IP};

/// Folders of the host that components write to at fixed places; the node has its own.
const HIDDEN: [&str; 3] = ["/run", "/var/lib", "/var/log"];

/// Leaves the host's namespaces for new ones; the calling process must be single-threaded.
pub fn unshare(flags: UnshareFlags) -> Result<()> {
    // SAFETY: unsharing the file descriptor table is what can break memory safety (I/O safety) in
    // a program with several threads; only namespaces are unshared here.
    unsafe { unshare_unsafe(flags) }.context("leaving the host's namespaces (are you root?)")
}

/// New network, mount and cgroup namespaces, furnished.
pub fn furnish(plan: &Plan, cgroups: &Cgroups) -> Result<()> {
    cgroups.join()?;
    unshare(UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWCGROUP)?;
    cgroups.step_down()?;
    mounts(plan, cgroups)?;
    network()
}

fn mounts(plan: &Plan, cgroups: &Cgroups) -> Result<()> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).context("keeping mounts from the host")?;
    mount("proc", "/proc", "proc", MountFlags::empty(), None).context("mounting /proc")?;
    mount("sysfs", "/sys", "sysfs", MountFlags::empty(), None).context("mounting /sys")?;
    cgroups.mount()?;

    // The kubelet's mounts must reach the containers.
    let kubelet = plan.layout().kubelet_root();
    bind(&kubelet, &kubelet)?;
    mount_change(&kubelet, MountPropagationFlags::SHARED).context("sharing the kubelet's root")?;

    let kept = keep(plan)?;
    mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), c"mode=755").context("mounting /run")?;
    bind(&plan.layout().private("lib"), Path::new("/var/lib"))?;
    bind(&plan.layout().private("log"), Path::new("/var/log"))?;
    for (path, file) in kept {
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        bind(
            Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())),
            &path,
        )?;
    }
    // Where Pods that mount the runtime's folder look for it.
    let runtime = Path::new("/run/containerd");
    fs::create_dir(runtime).with_context(|| format!("making {}", runtime.display()))?;
    bind(&plan.layout().runtime(), runtime)?;
    // Whatever its root directory, the kubelet looks for device plugins here.
    bind(&kubelet, Path::new("/var/lib/kubelet"))?;
    // Where there is no such file, Go asks the name server at 127.0.0.1 anyway.
    let resolver = Path::new("/etc/resolv.conf");
    if resolver.exists() {
        bind(&plan.layout().config("resolv.conf"), resolver)?;
    }
    match plan.store_mib {
        Some(mib) => store(plan, mib),
        None => Ok(()),
    }
}

/// containerd's store on a file system of its own, so that it can be full while nothing else is.
fn store(plan: &Plan, mib: u64) -> Result<()> {
    let path = plan.layout().store();
    fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
    let size = CString::new(format!("size={mib}m,mode=711")).context("writing a size")?;
    mount("tmpfs", &path, "tmpfs", MountFlags::empty(), &*size)
        .with_context(|| format!("mounting {}", path.display()))
}

/// The folders that the node needs although they lie in one that is about to be hidden.
fn keep(plan: &Plan) -> Result<Vec<(PathBuf, std::os::fd::OwnedFd)>> {
    let programs = &plan.programs;
    let mut needed: Vec<&Path> = vec![
        &programs.kubernetes,
        &programs.containerd,
        &programs.etcd,
        &programs.runc,
        &programs.cni,
        &programs.registry,
        &programs.testimage,
        &plan.dir,
    ];
    needed.extend(plan.testbed.parent());
    let mut kept = Vec::new();
    for path in needed {
        if HIDDEN.iter().any(|hidden| path.starts_with(hidden)) {
            let file = rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                .with_context(|| format!("opening {}", path.display()))?;
            kept.push((path.to_owned(), file));
        }
    }
    Ok(kept)
}

fn bind(source: &Path, target: &Path) -> Result<()> {
    mount_bind(source, target)
        .with_context(|| format!("mounting {} on {}", source.display(), target.display()))
}

fn network() -> Result<()> {
    ip(&["link", "set", "lo", "up"])?;
    for address in [SERVICE_IP, NODE_IP] {
        ip(&["address", "add", &format!("{address}/32"), "dev", "lo"])?;
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running `ip {}`", arguments.join(" ")))?;
    if !output.status.success() {
        bail!(
            "`ip {}` failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
