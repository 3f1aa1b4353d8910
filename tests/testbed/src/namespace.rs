//! The namespaces that a node lives in, seen from its first process.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::cgroup::Cgroups;
use crate::layout::Layout;
use crate::network::Ip;
use crate::place::FIRST;
use crate::plan::Plan;

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
    // The processes of a second node are in the network of the first.
    let network_of = match &plan.joins {
        None => UnshareFlags::NEWNET,
        Some(dir) => {
            enter_network(dir)?;
            UnshareFlags::empty()
        }
    };
    unshare(UnshareFlags::NEWNS | UnshareFlags::NEWCGROUP | network_of)?;
    cgroups.step_down()?;
    mounts(plan, cgroups)?;
    network(plan)
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
    let runtime = Path::new("/run").join(plan.runtime.name());
    fs::create_dir(&runtime).with_context(|| format!("making {}", runtime.display()))?;
    bind(&plan.layout().runtime(), &runtime)?;
    // Whatever its root directory, the kubelet looks for device plugins here.
    bind(&kubelet, Path::new("/var/lib/kubelet"))?;
    if plan.runtime.is_crio() {
        of_crio(plan)?;
    }
    // Where there is no such file, Go asks the name server at 127.0.0.1 anyway.
    let resolver = Path::new("/etc/resolv.conf");
    if resolver.exists() {
        bind(&plan.layout().config("resolv.conf"), resolver)?;
    }
    store(plan)
}

/// Files that CRI-O and its libraries read at fixed places.
fn of_crio(plan: &Plan) -> Result<()> {
    // CRI-O hands the kubelet's limits for huge pages to runc, which fails where the host has no
    // such hierarchy. Where there are no sizes, there are no limits.
    let unified = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    let is_limited = Path::new("/sys/fs/cgroup/hugetlb").exists()
        || unified.split_whitespace().any(|name| name == "hugetlb");
    if !is_limited {
        let sizes = Path::new("/sys/kernel/mm/hugepages");
        if sizes.exists() {
            mount("tmpfs", sizes, "tmpfs", MountFlags::empty(), None)
                .context("hiding huge pages")?;
        }
    }
    let hosts = Path::new("/etc/hosts");
    let kept = fs::File::open(hosts).ok();
    let upper = plan.layout().etc();
    let work = plan.layout().private("etc-work");
    fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    let layers = format!(
        "lowerdir=/etc,upperdir={},workdir={}",
        upper.display(),
        work.display()
    );
    let layers = CString::new(layers).context("writing the layers of /etc")?;
    mount("overlay", "/etc", "overlay", MountFlags::empty(), &*layers).context("mounting /etc")?;
    // A container's host may have mounted it over an empty file.
    match kept {
        Some(file) => bind(
            Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())),
            hosts,
        ),
        None => Ok(()),
    }
}

/// The runtime's store, on a file system of its own where it has a size, so that it can be full
/// while nothing else is.
fn store(plan: &Plan) -> Result<()> {
    let path = plan.layout().store();
    fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
    if let Some(mib) = plan.store_mib {
        let size = CString::new(format!("size={mib}m,mode=711")).context("writing a size")?;
        mount("tmpfs", &path, "tmpfs", MountFlags::empty(), &*size)
            .with_context(|| format!("mounting {}", path.display()))?;
    } else if plan.runtime.is_crio() {
        bind(&path, &path)?;
    }
    if plan.runtime.is_crio() {
        mount_change(&path, MountPropagationFlags::SHARED).context("sharing the store")?;
        let tmp = plan.layout().store_tmp();
        fs::create_dir_all(&tmp).with_context(|| format!("making {}", tmp.display()))?;
    }
    Ok(())
}

/// The folders that the node needs although they lie in one that is about to be hidden.
fn keep(plan: &Plan) -> Result<Vec<(PathBuf, std::os::fd::OwnedFd)>> {
    let programs = &plan.programs;
    let mut needed: Vec<&Path> = vec![
        &programs.kubernetes,
        &programs.runtime,
        &programs.etcd,
        &programs.runc,
        &programs.cni,
        &programs.registry,
        &programs.testimage,
        &plan.dir,
    ];
    needed.extend(plan.testbed.parent());
    needed.extend(plan.joins.as_deref());
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

/// Moves the calling process into the network of the node in `dir`.
fn enter_network(dir: &Path) -> Result<()> {
    let path = Layout::new(dir).init_pid();
    let pid = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    // This process is the first of its own PID namespace, and /proc is still the host's.
    let path = format!("/proc/{pid}/ns/net");
    let network = fs::File::open(&path).with_context(|| format!("opening {path}"))?;
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
        .context("entering the network of the first node")
}

fn network(plan: &Plan) -> Result<()> {
    let add = |family: Ip, address| ip(&["address", "add", &family.alone(address), "dev", "lo"]);
    let families = plan.network.families();
    if plan.joins.is_none() {
        ip(&["link", "set", "lo", "up"])?;
        if !families.contains(&Ip::V4) {
            // The fault registry's address.
            add(Ip::V4, FIRST.ip)?;
        }
        for family in families {
            add(*family, family.api_server())?;
        }
    }
    for family in families {
        add(*family, plan.place().ip_of(*family))?;
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
