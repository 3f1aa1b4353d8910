//! `pullwarden clean`: removes what agents leave on a node.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::arguments;
use super::printing::print;
use crate::config::Startup;
use crate::duty;
use crate::journal::log::NodeLog;
use crate::state::StateFile;

pub(super) fn command() -> Command {
    Command::new("clean")
        .about("Remove what agents leave on this node: their counts and the node's log")
        .after_help(arguments::examples([
            (
                "The files of an agent with the default folders",
                "pullwarden clean",
            ),
            (
                "The same in a DaemonSet's container",
                "pullwarden clean --stay",
            ),
        ]))
        .arg(
            Arg::new("stay")
                .long("stay")
                .action(ArgAction::SetTrue)
                .help("Wait for SIGTERM afterwards, as a DaemonSet's container must"),
        )
        .arg(arguments::config())
        .args(arguments::keys_of(&["stateDir", "logDir"]))
}

/// Removes the files, and then waits if it is to stay.
pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let config = arguments::configuration_of_client(matches)?;
    let removed = clean(&config.startup)?;
    print(&format!("removed {removed} files\n"))?;
    if matches.get_flag("stay") {
        let mut end = signal(SignalKind::terminate()).context("listening to SIGTERM")?;
        end.recv().await;
    }
    Ok(())
}

/// Removes the files of an agent that has ended. Returns their number.
fn clean(startup: &Startup) -> anyhow::Result<usize> {
    let folders = [&startup.state_dir, &startup.log_dir];
    let [state, log] = folders;
    let path = duty::lock_file(state);
    let lock = duty::take(&path).with_context(|| format!("locking {}", path.display()))?;
    if lock.is_none() {
        bail!("an agent works on this node: uninstall pullwarden first, and clean up afterwards");
    }
    let mut removed = 0;
    let files = StateFile::files(state).into_iter();
    for file in files.chain(NodeLog::files(log)) {
        removed += usize::from(remove(&file)?);
    }
    // The last one, so that an agent that starts meanwhile stays in standby.
    remove(&path)?;
    for folder in folders {
        // A folder that is mounted, or has files of others, stays.
        let _ = std::fs::remove_dir(&**folder);
    }
    Ok(removed)
}

/// Removes a file. Returns false if there is none.
fn remove(path: &Path) -> anyhow::Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("removing {}", path.display())),
    }
}
