//! The loss of power, as far as a node without a kernel of its own can have one: nothing runs any more, and mounts and `/run` are gone. The
//! boot id and the boot clock are the host's and stay.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, getpid, kill_process};

use crate::clock::until;
use crate::supervisor::Supervisor;

/// How long it may take until everything that was killed is gone.
static PATIENCE: LazyLock<Duration> = LazyLock::new(|| crate::longest(5));

/// Kills every process but this one, which is the first of its PID namespace, and forgets what a machine forgets.
pub fn off(supervisor: &Supervisor) -> Result<()> {
    let mut trouble = None;
    // What is killed may have started something in its last moment.
    let all_gone = until(*PATIENCE, || match kill_others() {
        Ok(others) => others == 0,
        Err(error) => {
            trouble = Some(error);
            true
        }
    });
    match trouble {
        Some(error) => return Err(error).context("killing everything"),
        None if !all_gone => bail!("something does not die"),
        None => {}
    }
    let layout = supervisor.plan().layout();
    let run = Path::new("/run");
    let (state, pods) = (layout.runtime_state(), layout.kubelet_root().join("pods"));
    let forgotten = [
        state.as_path(),
        &pods,
        Path::new("/var/lib/kubelet/pods"),
        &run.join("netns"),
    ];
    for point in mounts()?.into_iter().rev() {
        let is_inside = |folder: &&Path| point.starts_with(folder) && point != **folder;
        if forgotten.iter().any(is_inside) {
            match unmount(&point, UnmountFlags::DETACH) {
                // With the one it was a copy of.
                Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("unmounting {}", point.display()));
                }
            }
        }
    }
    for folder in [&state, &layout.runtime(), run] {
        empty(folder, &mounts()?)?;
    }
    Ok(())
}

/// How many other processes there are; each has been sent SIGKILL.
fn kill_others() -> Result<usize> {
    let mut others = 0;
    for entry in fs::read_dir("/proc").context("listing /proc")? {
        let name = entry.context("listing /proc")?.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok());
        let Some(pid) = pid.and_then(Pid::from_raw).filter(|pid| *pid != getpid()) else {
            continue;
        };
        match kill_process(pid, Signal::KILL) {
            Ok(()) => others += 1,
            Err(Errno::SRCH) => {}
            Err(error) => return Err(error).context("killing a process"),
        }
    }
    Ok(others)
}

/// Where something is mounted, in the order in which it was.
fn mounts() -> Result<Vec<PathBuf>> {
    let text = fs::read_to_string("/proc/self/mountinfo").context("reading the mounts")?;
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(points
        .map(|point| PathBuf::from(point.replace("\\040", " ")))
        .collect())
}

/// Removes what is in a folder, but for what is mounted there.
fn empty(folder: &Path, mounts: &[PathBuf]) -> Result<()> {
    let remove = || {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if mounts.iter().any(|point| point.starts_with(&path)) {
                continue;
            }
            match path.symlink_metadata()?.is_dir() {
                true => fs::remove_dir_all(&path)?,
                false => fs::remove_file(&path)?,
            }
        }
        std::io::Result::Ok(())
    };
    match remove() {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("emptying {}", folder.display()))
        }
        _ => Ok(()),
    }
}
