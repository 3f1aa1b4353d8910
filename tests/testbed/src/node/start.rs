//! How a node is started: the long part first, then a keeper that reports when it is ready.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Node, NodeOptions, remains};
use crate::control::Message;
use crate::host;
use crate::plan::{Plan, Programs};
use crate::progress::Progress;
use crate::settings;
use crate::waits;

/// From where on a slow machine has longer limits, which is worth a line.
const SLOW: f64 = 4.0;

/// Ends the node when dropped.
#[derive(Debug)]
pub struct Held {
    keeper: Child,
    /// The node ends when the last copy of this end of the pipe is closed.
    lifeline: Option<ChildStdin>,
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // The keeper reports on its own log; there is nobody to tell here.
        let _ = self.keeper.wait();
    }
}

/// Starts the keeper and waits until the node is ready. A keeper with a lifeline ends when the
/// other end of its standard input is closed.
pub fn start(options: &NodeOptions, lifeline: bool) -> Result<(Plan, Held)> {
    host::check_root()?;
    host::check_inotify()?;
    let progress = Progress::new(options.quiet);
    if waits::slowness() >= SLOW {
        progress.say(&format!(
            "this machine is {:.0} times slower than the one that limits are for; they are longer",
            waits::slowness()
        ));
    }
    host::need_ip(progress)?;
    for (file, package) in options.runtime.needs() {
        host::need(file, package, progress)?;
    }
    let id = match &options.name {
        Some(name) => name.clone(),
        None => settings::random_hex(4)?,
    };
    let dir = Node::folder(&id)?;
    remains::sweep(&host::run_folder()?, progress)?;
    if options.name.is_some() {
        remains::clear(&dir, &id)?;
    }
    // The long part comes before anything is made that would have to be removed.
    let programs = Programs::build(options)?;
    fs::create_dir(&dir).with_context(|| format!("making {}", dir.display()))?;
    let begun = host::testbed()
        .and_then(|testbed| Plan::make(options, programs, &dir, &id, testbed))
        .and_then(|plan| Ok((keeper(&plan, lifeline)?, plan)));
    let (mut keeper, plan) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            // Nothing runs in it; the error matters more than a folder that stays.
            let _ = fs::remove_dir_all(&dir);
            return Err(error);
        }
    };
    let stdout = keeper.stdout.take();
    let held = Held {
        lifeline: keeper.stdin.take(),
        keeper,
    };
    // On failure the first process ends by itself, and dropping `held` waits for the cleaning up.
    wait_until_ready(
        &plan,
        stdout.context("the keeper has no standard output")?,
        progress,
    )?;
    Ok((plan, held))
}

fn keeper(plan: &Plan, lifeline: bool) -> Result<Child> {
    let path = plan.layout().log("init");
    let log = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    let mut keeper = Command::new(&plan.testbed);
    keeper
        .arg("keep")
        .arg(&plan.dir)
        .stdout(Stdio::piped())
        .stderr(log);
    if lifeline {
        keeper.arg("--lifeline").stdin(Stdio::piped());
    } else {
        keeper.stdin(Stdio::null());
    }
    keeper
        .spawn()
        .with_context(|| format!("starting {}", plan.testbed.display()))
}

fn wait_until_ready(plan: &Plan, stdout: ChildStdout, progress: Progress) -> Result<()> {
    for line in BufReader::new(stdout).lines() {
        let line = line.context("hearing from the node's first process")?;
        match serde_json::from_str(&line).with_context(|| format!("decoding {line:?}"))? {
            Message::Step(what, seconds) => progress.took(&what, Duration::from_secs_f64(seconds)),
            Message::Ready => return Ok(()),
            Message::Failed(error) => bail!("the node did not start: {error}"),
        }
    }
    bail!(
        "the node's first process ended without a word; the end of its log:\n{}",
        crate::log::tail(&plan.layout().log("init"))
    )
}
