//! What the kernel has counted for a process.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};

/// What a process has used since it was started, all threads together.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counters {
    /// On a CPU, in nanoseconds.
    pub cpu: u64,
    /// How often it went to sleep of its own accord.
    pub switches: u64,
    /// Threads.
    pub threads: usize,
}

impl Counters {
    pub fn of(pid: u32) -> Result<Self> {
        let mut counters = Self::default();
        let tasks = format!("/proc/{pid}/task");
        for task in fs::read_dir(&tasks).with_context(|| format!("reading {tasks}"))? {
            let task = task.with_context(|| format!("reading {tasks}"))?.path();
            // A thread may end meanwhile.
            let Ok(schedstat) = fs::read_to_string(task.join("schedstat")) else {
                continue;
            };
            let status = fs::read_to_string(task.join("status")).unwrap_or_default();
            let on_cpu = schedstat.split_whitespace().next();
            counters.cpu += on_cpu
                .and_then(|ns| ns.parse::<u64>().ok())
                .context("schedstat")?;
            counters.switches += fields(&status)
                .find(|(name, _)| *name == "voluntary_ctxt_switches")
                .map_or(0, |(_, value)| value);
            counters.threads += 1;
        }
        Ok(counters)
    }
}

/// A process's memory, in MiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// In memory now.
    pub resident: f64,
    /// Of that its own: no page of a file.
    pub anonymous: f64,
    /// The most that was in memory since the start.
    pub peak: f64,
}

impl Memory {
    pub fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/status");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let kib: BTreeMap<&str, u64> = fields(&text).collect();
        let of = |name| kib.get(name).map(|kib| mib(kib * 1024)).context(name);
        Ok(Self {
            resident: of("VmRSS")?,
            anonymous: of("RssAnon")?,
            peak: of("VmHWM")?,
        })
    }
}

/// The numbers in a `status` file of /proc.
fn fields(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name, value.split_whitespace().next()?.parse().ok()?))
    })
}

/// Bytes in MiB.
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 bytes")]
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
