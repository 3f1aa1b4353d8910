//! The scenes: what happens, what is counted, and what must come of it.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::{Node, Stopwatch};

use super::agents::{self, Agents, SETTINGS};
use super::asked::{Asked, Log, most_of_a_node};
use super::cluster::Cluster;
use super::nodes::Rhythm;
use super::table::Table;
use super::{BenchFleet, compared, cpu_of_apiserver, restart};
use crate::commands::patience::Patience;

/// Pods of one owner, and of one registry, that the fleet budget lets be failed.
const OF_OWNER: usize = 10;
const OF_REGISTRY: usize = 20;
/// Most requests of one agent about the fleet budget for one failure.
const ABOUT_BUDGET: usize = 3;
/// Longest time for all agents to come to rest.
static QUIET: LazyLock<Duration> = LazyLock::new(|| testbed::longest_after(120, 60));
/// Longest time for Pods to fail so many pulls.
static FAILED: LazyLock<Duration> = LazyLock::new(|| testbed::longest_after(200, 60));
/// Time in which what follows from a failure is done.
pub const REST: Duration = Duration::from_secs(25);
/// Time without a request after which the agents are at rest.
pub const SILENCE: Duration = Duration::from_secs(20);

/// The Pods of a Job begin one after the other.
pub const OF_JOB: Rhythm = Rhythm {
    first: Duration::from_secs(15),
    spread: Duration::from_secs(10),
};
/// All these fail for the third time within five seconds.
const AT_ONCE: Rhythm = Rhythm {
    first: Duration::from_secs(20),
    spread: Duration::from_secs(5),
};

/// All that the scenes need.
pub struct Scenes<'a> {
    pub cluster: &'a Cluster,
    pub node: &'a Node,
    pub patience: Patience<'a>,
    /// The agent, and the usual design.
    pub programs: [PathBuf; 2],
    pub sizes: &'a BenchFleet,
}

impl Scenes<'_> {
    /// Plays all, and returns whether every goal was reached.
    pub fn play(&self) -> Result<bool> {
        let mut table = Table::new();
        let mut log = self.log(agents::USER)?;
        let dir = self.node.dir().join("agents");
        let files = (dir.as_path(), self.cluster.sockets.as_path());
        let begun = Stopwatch::start();
        let tokens = &self.cluster.tokens;
        let mut agents = Agents::start(self.node, &self.programs[0], files, tokens)?;
        println!(
            "\n{} agents (release), each on a node of its own with ten healthy Pods; {} of 100 have a kubelet's socket.\n\
             Kubernetes {}; deploy/base holds the agents. Their settings:\n{SETTINGS}",
            agents.len(),
            self.sizes.sockets,
            self.node.plan().kubernetes,
        );
        self.until_silent(&mut log, &mut agents)?;
        let seconds = begun.elapsed().as_secs();
        table.tell("all started and at rest, after", &format!("{seconds} s"));

        self.healthy(&mut table, &mut log, &mut agents)?;
        self.job(&mut table, &mut log, &mut agents)?;
        self.contention(&mut table, &mut log, &mut agents)?;
        restart::restart(self, &mut table, &mut log, &mut agents)?;
        drop(agents);
        compared::usual(self, &mut table)?;
        println!();
        Ok(table.is_well())
    }

    fn log(&self, user: &'static str) -> Result<Log> {
        Log::from_now(self.node.audit_log(), user)
    }

    /// Waits until the agents have asked nothing for a while.
    fn until_silent(&self, log: &mut Log, agents: &mut Agents) -> Result<()> {
        let mut since = Stopwatch::start();
        let mut fault = None;
        let silent = self
            .patience
            .until("waiting until all agents are quiet", *QUIET, || {
                match log.read() {
                    Ok(asked) if asked.is_empty() => {}
                    Ok(_) => since = Stopwatch::start(),
                    Err(error) => fault = Some(error),
                }
                fault.is_some() || since.elapsed() >= SILENCE + REST
            })?;
        fault.map_or(Ok(()), Err)?;
        agents.check()?;
        ensure!(silent, "the agents do not come to rest");
        Ok(())
    }

    /// (a) Nothing is wrong anywhere.
    fn healthy(&self, table: &mut Table, log: &mut Log, agents: &mut Agents) -> Result<()> {
        let pids = agents.pids();
        log.read()?;
        let before = agents::cpu(&pids)?;
        let span = Duration::from_secs(60) * self.sizes.minutes;
        let mut most = 0;
        let mut due = Duration::ZERO;
        let begun = Stopwatch::start();
        self.patience
            .until("watching the healthy cluster", span, || {
                if begun.elapsed() >= due {
                    due += Duration::from_secs(15);
                    most = most.max(agents::connections(&pids).unwrap_or(usize::MAX));
                }
                false
            })?;
        let cpu = Duration::from_nanos(agents::cpu(&pids)? - before).as_secs_f64();
        let asked = log.read()?.len();
        let sizes = agents::sizes(&pids)?;
        agents.check()?;
        let each = count(agents.len());
        let seconds = begun.elapsed().as_secs_f64();
        table.title(&format!("(a) All healthy, for {seconds:.0} s"));
        table.goal(
            "requests to the API server",
            &asked.to_string(),
            "0",
            asked == 0,
        );
        table.goal(
            "connections to it, most at a time",
            &most.to_string(),
            "0",
            most == 0,
        );
        let memory = |what: &str, mib: f64| {
            let value = format!("{mib:.0} ({:.2}) MiB", mib / each);
            table.tell(what, &value);
        };
        memory("resident memory of all (of one)", sizes.resident);
        memory("proportional memory (PSS)", sizes.proportional);
        memory("  of that anonymous", sizes.anonymous);
        let value = format!("{:.1} ms", cpu * 60_000.0 / seconds / each);
        table.tell("CPU of one, a minute", &value);
        Ok(())
    }

    /// (b) One Job with a Pod on each node, whose image does not exist.
    fn job(&self, table: &mut Table, log: &mut Log, agents: &mut Agents) -> Result<()> {
        log.read()?;
        let cpu = self.job_alone("job")?;
        let asked = log.read()?;
        agents.check()?;
        let failed = self.cluster.failed("job")?;
        table.title(&format!(
            "(b) One Job of {} Pods without an image, one on each node, until their fourth failure",
            agents.len()
        ));
        let goal = format!("{OF_OWNER}, the budget of an owner");
        table.goal(
            "Pods failed",
            &failed.to_string(),
            &goal,
            failed == OF_OWNER,
        );
        self.told(table, &asked);
        table.tell(
            "CPU of the API server, the kubelets' requests too",
            &format!("{cpu:.1} s"),
        );
        Ok(())
    }

    /// Makes a Job, waits for the fourth failure of its Pods, and returns the API server's seconds of CPU.
    pub fn job_alone(&self, namespace: &str) -> Result<f64> {
        let before = cpu_of_apiserver(self.node)?;
        self.cluster.job(namespace, OF_JOB)?;
        self.until_failed(4)?;
        self.patience.pass("letting the agents act", REST)?;
        Ok(cpu_of_apiserver(self.node)? - before)
    }

    /// Waits until all Pods have failed so many pulls, but those that are over.
    pub fn until_failed(&self, pulls: u32) -> Result<()> {
        let what = format!("waiting for failure {pulls} of each Pod");
        let nodes = &self.cluster.nodes;
        let failed = self
            .patience
            .until(&what, *FAILED, || nodes.fewest() >= pulls)?;
        ensure!(failed, "the fake kubelets are too slow");
        Ok(())
    }

    /// (d) All agents want a token within five seconds.
    fn contention(&self, table: &mut Table, log: &mut Log, agents: &mut Agents) -> Result<()> {
        self.cluster.pods("crowd", AT_ONCE)?;
        self.until_failed(2)?;
        log.read()?;
        self.until_failed(3)?;
        self.patience.pass("letting the agents act", REST)?;
        let asked = log.read()?;
        let at_first = self.cluster.failed("crowd")?;
        self.until_failed(4)?;
        self.patience.pass("letting the agents act", REST)?;
        let later = log.read()?;
        agents.check()?;
        let failed = self.cluster.failed("crowd")?;
        table.title(&format!(
            "(d) {} Pods of nobody in particular fail for the third time within five seconds",
            agents.len()
        ));
        table.tell("Pods failed by the third failure", &at_first.to_string());
        let goal = format!("{OF_REGISTRY}, the budget of a registry");
        table.goal(
            "Pods failed by the fourth",
            &failed.to_string(),
            &goal,
            failed == OF_REGISTRY,
        );
        self.told(table, &asked);
        let budget = |asked: &[Asked]| {
            let of_budget = asked.iter().filter(|of| of.is_of_budget());
            most_of_a_node(of_budget)
        };
        let most = budget(&asked);
        let goal = format!("{ABOUT_BUDGET} at most");
        table.goal(
            "most requests of one agent about the budget",
            &most.to_string(),
            &goal,
            most <= ABOUT_BUDGET,
        );
        table.tell(
            "the same for the fourth failure",
            &budget(&later).to_string(),
        );
        Ok(())
    }

    fn told(&self, table: &Table, asked: &[Asked]) {
        table.requests(asked);
        let tokens = || asked.iter().filter(|of| of.what == "patch configmaps");
        let conflicts = tokens().filter(|of| of.code == 409).count();
        let share = 100.0 * count(conflicts) / count(tokens().count().max(1));
        table.tell(
            "share of tokens that met a conflict",
            &format!("{share:.0} %"),
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 of anything")]
pub fn count(number: usize) -> f64 {
    number as f64
}
