//! One agent on a node at a time: the one that holds a lock in the state's folder.
//!
//! Two DaemonSets may have an agent on the same node for a while, when a node changes sides, say. Both would count, spend a budget each and
//! write over each other's state.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use crate::admin::Health;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::permissions;

/// Interval at which an agent in standby tries to take over.
const PAUSE: Duration = Duration::from_secs(1);

/// Held as long as the agent works. The kernel lets go of it however the process ends.
#[derive(Debug)]
pub struct Duty(#[expect(dead_code, reason = "it is held, not used")] Option<File>);

/// Waits until no other agent works on this node. Meanwhile the agent is in standby: alive, ready and without work.
pub async fn wait(dir: &Path, clock: &Clock, health: &Health, metrics: &Metrics) -> Duty {
    let path = lock_file(dir);
    let mut is_told = false;
    loop {
        match take(&path) {
            Ok(Some(file)) => {
                metrics.agent.standby.set(0);
                if is_told {
                    info!("the other agent has ended, this one takes over");
                }
                return Duty(Some(file));
            }
            Ok(None) => {}
            Err(error) => {
                let lock = path.display();
                warn!(%lock, %error, "the lock cannot be taken: going on without, another agent on this node would not be noticed");
                return Duty(None);
            }
        }
        if !std::mem::replace(&mut is_told, true) {
            let lock = path.display();
            info!(%lock, "another agent works on this node: in standby until it ends");
            metrics.agent.standby.set(1);
        }
        health.ticked(clock.now(), true);
        sleep(PAUSE).await;
    }
}

/// Path of the lock in the state's folder.
pub fn lock_file(dir: &Path) -> PathBuf {
    dir.join("lock")
}

/// The lock, if nobody else holds it. The lock's file and its folder are made if need be.
///
/// # Errors
/// The file system's.
pub fn take(path: &Path) -> io::Result<Option<File>> {
    if let Some(dir) = path.parent() {
        permissions::make_folder(dir)?;
    }
    let file = permissions::append_to(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
