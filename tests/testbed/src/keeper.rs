//! The keeper: the one process of a node that stays on the host. It makes the node's control
//! groups, starts its first process in a new PID namespace, and cleans up when that has ended, for
//! whatever reason.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::thread::UnshareFlags;

use crate::cgroup::Cgroups;
use crate::host;
use crate::layout::Layout;
use crate::namespace;
use crate::plan::Plan;

/// With this variable set, the node's folder is kept when the node ends, for a look at its logs.
pub const KEEP: &str = "TESTBED_KEEP";

/// Keeps the node in `dir` until it ends. Standard input and output are the first process's.
pub fn run(dir: &Path, lifeline: bool) -> Result<()> {
    // Ctrl-C in a terminal is for the process that holds the node; its end ends the node.
    rustix::process::setsid().context("leaving the terminal's session")?;
    let plan = Plan::read(dir)?;
    let lock_path = plan.layout().keeper_lock();
    let _lock = lock(&lock_path).with_context(|| format!("making {}", lock_path.display()))?;
    let cgroups = Cgroups::of(&plan.id)?;
    let outcome = cgroups.make().and_then(|()| keep(&plan, lifeline));
    let cleaned = cgroups.kill_commands().and_then(|()| cgroups.remove());
    if host::variable(KEEP).is_none() {
        fs::remove_dir_all(dir).with_context(|| format!("removing {}", dir.display()))?;
    } else {
        // A folder with a lock that nobody holds is swept away when another node starts.
        fs::remove_file(&lock_path).with_context(|| format!("removing {}", lock_path.display()))?;
    }
    cleaned?;
    outcome
}

/// A file that is never there without being locked, as long as this process lives.
fn lock(path: &Path) -> std::io::Result<fs::File> {
    let unlocked = path.with_extension("new");
    let lock = fs::File::create(&unlocked)?;
    lock.lock()?;
    fs::rename(&unlocked, path)?;
    Ok(lock)
}

fn keep(plan: &Plan, lifeline: bool) -> Result<()> {
    let mut init = Command::new(&plan.testbed);
    init.arg("init").arg(&plan.dir);
    if lifeline {
        init.arg("--lifeline");
    }
    // From here on children are in a new PID namespace; the first one is its init.
    namespace::unshare(UnshareFlags::NEWPID)?;
    let mut init = init.spawn().context("starting the node's first process")?;
    let path = Layout::new(&plan.dir).init_pid();
    fs::write(&path, init.id().to_string())
        .with_context(|| format!("writing {}", path.display()))?;
    let status = init
        .wait()
        .context("waiting for the node's first process")?;
    if !status.success() {
        bail!("the node's first process ended with {status}");
    }
    Ok(())
}
