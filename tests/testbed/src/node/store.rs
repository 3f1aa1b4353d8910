//! The runtime's store, full on purpose.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::Node;

/// What stays free: enough for the runtime's records and for a sandbox, not for a layer.
const ROOM: u64 = 2 << 20;

const CHUNK: usize = 1 << 20;

impl Node {
    /// Fills the runtime's store but for 2 MiB. The node must have been started with
    /// [`NodeOptions::store_mib`](super::NodeOptions::store_mib).
    pub fn fill_store(&self) -> Result<()> {
        let path = self.ballast()?;
        let fill = || {
            let mut file = File::create(&path)?;
            let zeros = vec![0; CHUNK];
            loop {
                match file.write(&zeros) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error),
                }
            }
            let size = file.metadata()?.len();
            file.set_len(size.saturating_sub(ROOM))
        };
        fill().with_context(|| format!("filling {}", path.display()))
    }

    /// Gives back what [`Node::fill_store`] has taken.
    pub fn free_store(&self) -> Result<()> {
        let path = self.ballast()?;
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))
    }

    /// The file that fills the store, as the host sees it: the file system is mounted for the
    /// node's processes only.
    fn ballast(&self) -> Result<PathBuf> {
        if self.plan.store_mib.is_none() {
            bail!("this node was not started with a store that can be filled");
        }
        let layout = self.layout();
        let pid = fs::read_to_string(layout.init_pid()).context("reading the node's pid")?;
        let store = layout.store();
        let store = store.strip_prefix("/").unwrap_or(&store);
        Ok(PathBuf::from(format!("/proc/{pid}/root"))
            .join(store)
            .join("ballast"))
    }
}
