//! What is left of a node whose keeper was killed: its folder, and its control groups.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{FOLDER, Node};
use crate::cgroup::Cgroups;
use crate::layout::Layout;
use crate::progress::Progress;

/// Whether the keeper of a node lives.
enum Keeper {
    /// Its lock is held.
    Lives,
    /// Its lock was free; nobody else can take it as long as this is kept.
    Dead { _lock: File },
    /// There is no lock: the folder is kept for a look at its logs, or no keeper came to be.
    Never,
}

impl Keeper {
    fn of(dir: &Path) -> Result<Self> {
        let path = Layout::new(dir).keeper_lock();
        let lock = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Never),
            lock => lock.with_context(|| format!("opening {}", path.display()))?,
        };
        match lock.try_lock() {
            Ok(()) => Ok(Self::Dead { _lock: lock }),
            Err(TryLockError::WouldBlock) => Ok(Self::Lives),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("trying {}", path.display()))
            }
        }
    }
}

/// Removes what is left of every node in `folder` whose keeper is dead. What cannot be removed is
/// told, and stays.
pub fn sweep(folder: &Path, progress: Progress) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        let (name, dir) = (entry.file_name(), entry.path());
        let Some(id) = name.to_str().and_then(|name| name.strip_prefix(FOLDER)) else {
            continue;
        };
        // The lock is kept until the folder is gone, so that no other sweep is in the way.
        let swept = match Keeper::of(&dir) {
            Ok(Keeper::Dead { _lock }) => {
                progress.say(&format!(
                    "removing what is left of the testbed {id}, whose keeper was killed"
                ));
                remove(&dir, id)
            }
            Ok(Keeper::Lives | Keeper::Never) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = swept {
            progress.say(&format!("the testbed {id} is dead, but: {error:#}"));
        }
    }
    Ok(())
}

/// Makes room for a node of that name; whether there was anything to remove. One that lives is an
/// error.
pub fn clear(dir: &Path, id: &str) -> Result<bool> {
    if !dir.exists() {
        return Ok(false);
    }
    if let Ok(node) = Node::attach(dir) {
        bail!(
            "a testbed named {id} is running already (Kubernetes {}, in {}); `testbed down --name {id}` ends it",
            node.plan.kubernetes,
            dir.display()
        );
    }
    match Keeper::of(dir)? {
        Keeper::Lives => bail!("a testbed named {id} is just starting or ending"),
        Keeper::Dead { .. } | Keeper::Never => remove(dir, id).map(|()| true),
    }
}

fn remove(dir: &Path, id: &str) -> Result<()> {
    let cgroups = Cgroups::of(id)?;
    cgroups.kill_commands()?;
    cgroups
        .remove()
        .with_context(|| format!("{} is neither running nor gone", dir.display()))?;
    fs::remove_dir_all(dir).with_context(|| format!("removing what is left in {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_dead_keepers_node_is_swept() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("testbed-sweep-{}", std::process::id()));
        let dir = |name: &str| folder.join(format!("{FOLDER}{name}"));
        let lock = |name: &str| File::create(Layout::new(dir(name)).keeper_lock());
        for name in ["sweep-dead", "sweep-alive", "sweep-kept"] {
            fs::create_dir_all(dir(name))?;
        }
        lock("sweep-dead")?;
        let held = lock("sweep-alive")?;
        held.try_lock()?;
        sweep(&folder, Progress::new(true))?;
        assert!(!dir("sweep-dead").exists());
        assert!(dir("sweep-alive").exists());
        assert!(dir("sweep-kept").exists());
        drop(held);
        fs::remove_dir_all(&folder)?;
        Ok(())
    }
}
