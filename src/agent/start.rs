//! The start of an agent.

use std::hash::{DefaultHasher, Hasher as _};

use anyhow::Context as _;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::keeper::Keeper;
use super::parts::{Agent, Question, Surroundings};
use super::poller::Poller;
use super::process::Process;
use super::settings::Settings;
use super::sources::{Sources, Ways};
use super::tally::Tally;
use super::workers::Workers;
use crate::clock;
use crate::config::{Config, LogFormat};
use crate::cri::Runtime;
use crate::evidence::ApiServer;
use crate::images::Images;
use crate::journal::log::NodeLog;
use crate::journal::{Journal, marks};
use crate::judge::{Event, Judge, NodeMode, Undone};
use crate::report::Guard;
use crate::shutdown::Shutdown;
use crate::state::{Found, StateFile};

/// Starts an agent with what an earlier run has kept.
///
/// # Errors
/// If the kernel does not tell its boot id.
pub(super) fn start(
    config: Config,
    surroundings: Surroundings,
) -> anyhow::Result<(Agent, mpsc::Receiver<Question>, Shutdown)> {
    let process = Process::new(
        surroundings.clock,
        surroundings.metrics,
        surroundings.health,
    );
    let now = process.now();
    let boot = clock::boot_id().context("reading the kernel's boot id")?;
    let node = config.policy.node.clone();
    let file = StateFile::in_dir(&config.startup.state_dir);
    let settings = Settings::new(config, surroundings.given);
    let mut images = Images::default();
    let (judge, counts) = match file.load() {
        Found::State(found) => {
            let same_boot = found.boot == boot;
            images = found.images.clone().into_owned();
            if !same_boot {
                images.rebooted();
            }
            let kept = found.kept();
            let pods = kept.ledger.pods().count();
            info!(pods, "counts of an earlier run taken up");
            let judging = settings.judging();
            let judge = Judge::restarted(judging, kept, same_boot, now.boot);
            (judge, "kept")
        }
        Found::Nothing => {
            info!("no counts of an earlier run");
            (Judge::new(settings.judging(), now.boot), "none")
        }
        Found::Damaged(problem) => {
            warn!(%problem, "the state file cannot be used, starting without counts");
            (Judge::new(settings.judging(), now.boot), "damaged")
        }
    };
    let config = &settings.config;
    let json = config.startup.log_format.0 == LogFormat::Json;
    let log = NodeLog::in_dir(&config.startup.log_dir, json);
    let (runtime, api) = (
        Runtime::at(&config.startup.cri_socket),
        ApiServer::new(config.startup.kubeconfig.as_deref().map(Into::into)),
    );
    let ways = Ways {
        evidence: config.evidence,
        kubelet: config.startup.kubelet_pods_socket.to_path_buf(),
        api: api.clone(),
        share: share(&node),
        node: node.clone(),
    };
    let guard = Guard::new(config.startup.own_pod.clone(), process.clock.clone());
    let mode = config.policy.mode;
    let mut agent = Agent {
        journal: Journal::begin(log, (&node, &boot), config.judging(), counts, &judge, now),
        keeper: Keeper::new(file, boot),
        poller: Poller::new(runtime.clone(), images),
        sources: Sources::new(ways, now.boot),
        workers: Workers::new(api, guard, runtime, judge.policy()),
        tally: Tally::default(),
        judge,
        settings,
        process,
    };
    if counts != "kept" {
        // A condition of an earlier run may stand on a Pod that runs by now.
        for pod in marks::may_stand(&agent.settings.config.startup.log_dir) {
            let undone = Undone::Standing;
            agent.happen(Event::Reverted { pod, undone });
        }
    }
    // Not before: a state file without these marks would keep the next start from the log.
    agent.save();
    info!(%node, mode = mode.as_str(), "watching");
    if mode != NodeMode::Observe {
        agent.workers.prove_guard();
    }
    Ok((agent, surroundings.questions, surroundings.shutdown))
}

/// Number from 0 to 1 that differs from node to node, by the node's name.
fn share(node: &str) -> f64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(node.as_bytes());
    let [a, b, ..] = hasher.finish().to_be_bytes();
    f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX)
}
