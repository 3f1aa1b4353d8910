//! The scene of a restart of the API server while every agent needs it.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::{Component, Stopwatch, unix_micros};

use super::agents::{self, Agents};
use super::asked::{Log, worst_second};
use super::scenes::{OF_JOB, REST, SILENCE, Scenes};
use super::table::Table;

/// Goal for the worst second, for each thousand agents.
const WORST_SECOND: usize = 100;
/// The goal of few agents, of whom some come together by chance.
const FEW: usize = 20;
/// Pause before the connections are counted again.
const OFTEN: Duration = Duration::from_secs(3);
/// Longest time for evidence to be back.
static BACK: LazyLock<Duration> = LazyLock::new(|| testbed::longest_after(120, 60));

/// (c) The API server is restarted while every agent needs it.
pub fn restart(
    scenes: &Scenes<'_>,
    table: &mut Table,
    log: &mut Log,
    agents: &mut Agents,
) -> Result<()> {
    // Whatever was failed before, each has a Pod that waits. The budget is spent.
    scenes.cluster.pods("restart", OF_JOB)?;
    scenes.until_failed(2)?;
    // As before Kubernetes 1.37: every agent has its evidence from the API server.
    scenes
        .cluster
        .runtime
        .block_on(scenes.cluster.nodes.without_sockets());
    let pids = agents.pids();
    // Asking takes a while: each file of each process is looked at.
    let (begun, mut due) = (Stopwatch::start(), Duration::ZERO);
    let connected = || {
        if begun.elapsed() < due {
            return false;
        }
        due = begun.elapsed() + OFTEN;
        agents::connections(&pids).is_ok_and(|held| held >= pids.len())
    };
    let all = scenes
        .patience
        .until("waiting until all agents watch", *BACK, connected)?;
    ensure!(all, "some agents have no evidence");
    until_rested(scenes, log)?;

    scenes.node.stop_component(Component::Apiserver)?;
    scenes.node.start_component(Component::Apiserver)?;
    let up = unix_micros();
    let (mut asked, mut back, mut fault) = (Vec::new(), BTreeSet::new(), None);
    let wanted = agents.len();
    scenes
        .patience
        .until("waiting until all have evidence again", *BACK, || {
            match log.read() {
                Ok(more) => {
                    let watches = more
                        .iter()
                        .filter(|of| of.what == "watch pods" && of.code == 200);
                    back.extend(watches.map(|of| of.node.clone()));
                    asked.extend(more);
                }
                Err(error) => fault = Some(error),
            }
            fault.is_some() || back.len() == wanted
        })?;
    fault.map_or(Ok(()), Err)?;
    let last = asked
        .iter()
        .filter(|of| of.what == "watch pods")
        .map(|of| of.at)
        .max();
    scenes.patience.pass("letting the agents count", REST)?;
    asked.extend(log.read()?);
    asked.sort_by_key(|of| of.at);
    agents.check()?;

    table.title(&format!(
        "(c) The API server is restarted; all {wanted} agents watch it for a Pod each"
    ));
    let worst = worst_second(&asked);
    let most = (WORST_SECOND * wanted).div_ceil(1000);
    let most = most.max(FEW);
    table.goal(
        "requests in the worst second",
        &worst.to_string(),
        &format!("{most} at most"),
        worst <= most,
    );
    table.requests(&asked);
    let goal = "all";
    table.goal(
        "agents that have evidence again",
        &back.len().to_string(),
        goal,
        back.len() == wanted,
    );
    let seconds = last.map_or(0, |last| (last - up) / 1_000_000);
    table.tell(
        "  the last one, after the API server was ready",
        &format!("{seconds} s"),
    );
    let (counted, attempts) = (agents.counted()?, scenes.cluster.nodes.attempts());
    let over = counted
        .iter()
        .filter(|(uid, counted)| attempts.get(*uid).unwrap_or(&0) < counted);
    let over = over.count();
    table.goal(
        "Pods with more counted failures than pulls",
        &over.to_string(),
        "0",
        over == 0,
    );
    let sum: u32 = counted.values().sum();
    let pulls: u32 = attempts.values().sum();
    table.tell("failed pulls in the whole run", &pulls.to_string());
    table.goal(
        "  of them counted",
        &sum.to_string(),
        "most",
        sum * 2 > pulls,
    );
    Ok(())
}

/// Waits until no evidence was opened for a while.
fn until_rested(scenes: &Scenes<'_>, log: &mut Log) -> Result<()> {
    let (mut since, mut fault) = (Stopwatch::start(), None);
    scenes.patience.until("letting them rest", *BACK, || {
        match log.read() {
            Ok(asked) if asked.iter().all(|of| of.what != "list pods") => {}
            Ok(_) => since = Stopwatch::start(),
            Err(error) => fault = Some(error),
        }
        fault.is_some() || since.elapsed() >= SILENCE
    })?;
    fault.map_or(Ok(()), Err)
}
