//! What the agent, the floor and the usual design take at the same time on the same node.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use testbed::{Node, Stopwatch};

use super::relay::Relay;
use crate::commands::audit::Audit;
use crate::commands::patience::Patience;
use crate::commands::process::{Counters, Memory};

/// How long a yardstick may take to have seen all Pods.
static SEEN: LazyLock<Duration> = LazyLock::new(|| testbed::longest(10));

/// A program that is compared with the agent. Ends with the value.
#[derive(Debug)]
pub struct Yardstick {
    child: Child,
    said: PathBuf,
}

impl Yardstick {
    /// Starts it and waits until it says that it knows of so many Pods.
    pub fn start(
        node: &Node,
        program: &Path,
        argument: &Path,
        pods: u16,
        patience: Patience<'_>,
    ) -> Result<Self> {
        let name = program.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        let said = node.dir().join(format!("{name}.log"));
        let log = File::create(&said).with_context(|| format!("making {}", said.display()))?;
        let errors = log.try_clone().context("sharing a log")?;
        let child = node
            .command(program)
            .arg(argument)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let yardstick = Self { child, said };
        let what = format!("waiting until `{name}` has seen all Pods");
        if !patience.until(&what, *SEEN, || yardstick.count() >= Some(pods))? {
            bail!(
                "`{name}` has not seen all Pods:\n{}",
                testbed::tail(&yardstick.said)
            );
        }
        Ok(yardstick)
    }

    /// The number that it has said last.
    fn count(&self) -> Option<u16> {
        let said = fs::read_to_string(&self.said).ok()?;
        said.lines().last()?.parse().ok()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One of those who are compared.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// What it is called in the table.
    pub name: &'static str,
    /// Its process.
    pub pid: u32,
    /// Its way to the API server and who it is there, if it has one.
    pub api: Option<(&'a Relay, &'static str)>,
}

/// What one of them has taken.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// At the end.
    pub memory: Memory,
    /// On a CPU, in milliseconds a minute.
    pub cpu: f64,
    /// Went to sleep so often, a minute.
    pub switches: f64,
    /// At the API server; nothing where it has no way to it.
    pub api: Option<Asked>,
}

/// What one of them has asked the API server.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// In all that time.
    pub requests: usize,
    /// Connections made, in all that time.
    pub connections: u64,
    /// A minute, in both directions.
    pub bytes: f64,
    /// From its start until then.
    pub before: u64,
}

/// What all of them take during so long a time, in their order, and how many seconds that was. `meanwhile` is called again and again
/// with the time that has passed.
pub fn measure(
    node: &Node,
    members: &[Member<'_>],
    (what, span): (&str, Duration),
    patience: Patience<'_>,
    mut meanwhile: impl FnMut(Duration) -> Result<()>,
) -> Result<(f64, Vec<Taken>)> {
    let noted = |audit: &Audit| -> Result<Vec<(Counters, [u64; 2], usize)>> {
        let each = members.iter().map(|member| {
            let (relay, user) = member.api.unzip();
            let through = relay.map_or([0; 2], |relay| [relay.bytes(), relay.connections()]);
            let requests = user.map_or(0, |user| audit.requests(user));
            let counters = Counters::of(member.pid)
                .with_context(|| format!("looking at {}, which may have ended", member.name))?;
            Ok((counters, through, requests))
        });
        each.collect()
    };
    let before = noted(&Audit::read(node)?)?;
    let begun = Stopwatch::start();
    let mut fault = None;
    patience.until(what, span, || {
        fault = meanwhile(begun.elapsed()).err();
        fault.is_some()
    })?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let after = noted(&Audit::read(node)?)?;
    let mut taken = Vec::new();
    for ((member, before), after) in members.iter().zip(&before).zip(&after) {
        let a_minute = |difference: u64| count(difference) * 60.0 / seconds;
        taken.push(Taken {
            memory: Memory::of(member.pid)?,
            cpu: a_minute(after.0.cpu - before.0.cpu) / 1e6,
            switches: a_minute(after.0.switches - before.0.switches),
            api: member.api.map(|_| Asked {
                requests: after.2 - before.2,
                connections: after.1[1] - before.1[1],
                bytes: a_minute(after.1[0] - before.1[0]),
                before: before.1[0],
            }),
        });
    }
    Ok((seconds, taken))
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 of anything")]
fn count(number: u64) -> f64 {
    number as f64
}
