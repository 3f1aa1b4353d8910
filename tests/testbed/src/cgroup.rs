//! A node's own control groups, one in each hierarchy that the host has mounted (version 1, 2 or
//! both). The node's processes live in them, see them as their root, and leave nothing outside.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock::until;

const PREFIX: &str = "pullwarden-testbed-";
/// Where the node's own first process lives on version 2, which allows no process in a group
/// that hands controllers to its children.
/// systemd has this name for it, and would make another if the node's own systemd did not find it.
const INIT: &str = "init.scope";
/// Where processes live that tests start in the node's network.
const COMMANDS: &str = "commands";
/// How long the kernel may take to let go of a group whose processes are gone.
static PATIENCE: LazyLock<Duration> = LazyLock::new(|| crate::longest(3));

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    mount: PathBuf,
    /// Mount options that name the hierarchy; `None` on version 2.
    v1: Option<String>,
}

/// The groups of one node.
#[derive(Debug, Clone)]
pub struct Cgroups {
    name: String,
    hierarchies: Vec<Hierarchy>,
}

impl Cgroups {
    /// The groups of the node `id`, made or not.
    pub fn of(id: &str) -> Result<Self> {
        let hierarchies = mounted()?;
        if hierarchies.is_empty() {
            bail!("no cgroup hierarchy is mounted on this host; a kubelet needs one");
        }
        Ok(Self {
            name: format!("{PREFIX}{id}"),
            hierarchies,
        })
    }

    fn folders(&self) -> impl Iterator<Item = (&Hierarchy, PathBuf)> {
        self.hierarchies
            .iter()
            .map(|h| (h, h.mount.join(&self.name)))
    }

    /// Makes the groups.
    pub fn make(&self) -> Result<()> {
        for (hierarchy, folder) in self.folders() {
            if hierarchy.v1.is_none() {
                hand_down_controllers(&hierarchy.mount)?;
            }
            make(&folder)?;
            match &hierarchy.v1 {
                None => make(&folder.join(INIT))?,
                // A new version 1 cpuset takes no process before it has CPUs and memory nodes.
                Some(options) if options.split(',').any(|o| o == "cpuset") => {
                    for file in ["cpuset.cpus", "cpuset.mems"] {
                        let value = fs::read_to_string(hierarchy.mount.join(file))
                            .with_context(|| format!("reading the root's {file}"))?;
                        put(&folder.join(file), value.trim())?;
                    }
                }
                Some(_) => {}
            }
        }
        make(&self.commands())
    }

    /// Moves the calling process in. What it sees as root after it unshares its cgroup namespace
    /// is this.
    pub fn join(&self) -> Result<()> {
        for (_, folder) in self.folders() {
            put(&folder.join("cgroup.procs"), "0")?;
        }
        Ok(())
    }

    /// After the cgroup namespace is unshared: steps down into a leaf where version 2 asks for it.
    pub fn step_down(&self) -> Result<()> {
        for (hierarchy, folder) in self.folders() {
            if hierarchy.v1.is_none() {
                put(&folder.join(INIT).join("cgroup.procs"), "0")?;
                hand_down_controllers(&folder)?;
            }
        }
        Ok(())
    }

    /// Mounts the hierarchies where the host has them, seen from this cgroup namespace. `/sys`
    /// must be a fresh one.
    pub fn mount(&self) -> Result<()> {
        let base = Path::new("/sys/fs/cgroup");
        if self.hierarchies.iter().any(|h| h.mount != base) {
            mount("tmpfs", base, "tmpfs", MountFlags::empty(), c"mode=755")
                .context("mounting a folder for cgroups")?;
        }
        for hierarchy in &self.hierarchies {
            let target = &hierarchy.mount;
            fs::create_dir_all(target).with_context(|| format!("making {}", target.display()))?;
            let mounted = match &hierarchy.v1 {
                None => mount("cgroup2", target, "cgroup2", MountFlags::empty(), None),
                Some(options) => {
                    let data = std::ffi::CString::new(options.as_str())?;
                    mount(
                        "cgroup",
                        target,
                        "cgroup",
                        MountFlags::empty(),
                        data.as_c_str(),
                    )
                }
            };
            mounted.with_context(|| format!("mounting {}", target.display()))?;
            // cpu,cpuacct is also to be found as cpu and as cpuacct.
            let joined = target
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if joined.contains(',') {
                for one in joined.split(',') {
                    std::os::unix::fs::symlink(&joined, base.join(one))
                        .with_context(|| format!("linking cgroup {one}"))?;
                }
            }
        }
        Ok(())
    }

    /// The group for processes that tests start: of version 2 where there is one.
    pub fn commands(&self) -> PathBuf {
        let first = self
            .folders()
            .find(|(h, _)| h.v1.is_none())
            .or(self.folders().next());
        first
            .map(|(_, folder)| folder.join(COMMANDS))
            .unwrap_or_default()
    }

    /// Kills what tests have left running in the node's network.
    pub fn kill_commands(&self) -> Result<()> {
        let procs = self.commands().join("cgroup.procs");
        let mut left = Ok(Vec::new());
        until(*PATIENCE, || {
            left = pids(&procs);
            for pid in left.iter().flatten().filter_map(|pid| Pid::from_raw(*pid)) {
                // One that has just ended by itself is as good.
                let _ = kill_process(pid, Signal::KILL);
            }
            left.as_ref().is_ok_and(Vec::is_empty)
        });
        match left
            .with_context(|| format!("reading {}", procs.display()))?
            .as_slice()
        {
            [] => Ok(()),
            pids => bail!("processes {pids:?} do not die"),
        }
    }

    /// Removes the groups; every process in them must be gone.
    pub fn remove(&self) -> Result<()> {
        for (_, folder) in self.folders() {
            remove(&folder).with_context(|| format!("removing {}", folder.display()))?;
        }
        Ok(())
    }
}

/// Returns true if version 2 is the only hierarchy.
pub fn unified() -> Result<bool> {
    let hierarchies = mounted()?;
    Ok(!hierarchies.is_empty() && hierarchies.iter().all(|h| h.v1.is_none()))
}

/// The hierarchies of this machine.
fn mounted() -> Result<Vec<Hierarchy>> {
    let text = fs::read_to_string("/proc/self/mountinfo").context("reading mountinfo")?;
    Ok(parse(&text))
}

fn parse(mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let (Some(mount), mut right) = (left.split(' ').nth(4), right.split(' ')) else {
            continue;
        };
        let v1 = match right.next() {
            Some("cgroup2") => None,
            Some("cgroup") => Some(naming_options(right.nth(1).unwrap_or_default())),
            _ => continue,
        };
        if found.iter().all(|h| h.v1 != v1) {
            found.push(Hierarchy {
                mount: PathBuf::from(mount),
                v1,
            });
        }
    }
    found
}

/// Only the options that say which hierarchy it is.
fn naming_options(options: &str) -> String {
    let naming: Vec<&str> = options
        .split(',')
        .filter(|o| {
            let other = [
                "rw",
                "ro",
                "xattr",
                "clone_children",
                "noprefix",
                "cpuset_v2_mode",
            ];
            !other.contains(o) && !o.starts_with("release_agent=") && !o.is_empty()
        })
        .collect();
    match naming[..] {
        [name] if name.starts_with("name=") => format!("none,{name}"),
        _ => naming.join(","),
    }
}

fn hand_down_controllers(folder: &Path) -> Result<()> {
    let path = folder.join("cgroup.controllers");
    let controllers = fs::read_to_string(&path).context("reading the controllers of cgroup v2")?;
    for controller in controllers.split_whitespace() {
        put(
            &folder.join("cgroup.subtree_control"),
            &format!("+{controller}"),
        )?;
    }
    Ok(())
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir(folder).with_context(|| format!("making the cgroup {}", folder.display()))
}

fn put(file: &Path, value: &str) -> Result<()> {
    fs::write(file, value).with_context(|| format!("writing {value} to {}", file.display()))
}

fn remove(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    let mut removed = Ok(());
    until(*PATIENCE, || {
        removed = match fs::remove_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        !matches!(&removed, Err(error) if error.kind() == io::ErrorKind::ResourceBusy)
    });
    removed
}

/// The processes in a group; none if the group is gone.
fn pids(procs: &Path) -> io::Result<Vec<i32>> {
    match fs::read_to_string(procs) {
        Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mountinfo: &str, expected: &[(&str, Option<&str>)]) {
        let found = parse(mountinfo);
        let found: Vec<_> = found
            .iter()
            .map(|h| (h.mount.to_str().unwrap_or_default(), h.v1.as_deref()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn hierarchies_of_both_versions_are_found() {
        check(
            "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
            &[("/sys/fs/cgroup", None)],
        );
        check(
            "20 19 0:18 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
             21 20 0:19 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n\
             22 20 0:20 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,release_agent=/x,name=systemd\n\
             23 20 0:21 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
             24 20 0:19 /a /mnt rw - cgroup cgroup rw,cpu,cpuacct\n",
            &[
                ("/sys/fs/cgroup/cpu,cpuacct", Some("cpu,cpuacct")),
                ("/sys/fs/cgroup/systemd", Some("none,name=systemd")),
                ("/sys/fs/cgroup/unified", None),
            ],
        );
    }
}
