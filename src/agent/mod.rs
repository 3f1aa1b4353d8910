//! The agent: look → judge → save → report, for ever.

mod judging;
mod looking;
mod reports;
mod sandboxes;
mod status;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{Stream, StreamExt as _, future};
use kube::Client;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at};
use tracing::{error, info, warn};

pub use status::{PodStatus, Status};

use crate::admin::Health;
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::cri::Runtime;
use crate::evidence::Sighting;
use crate::judge::{Brake, Ledger, Moment, PodView, Verdict};
use crate::metrics::Metrics;
use crate::report::{Line, NodeLog};
use crate::shutdown::Shutdown;
use crate::state::{Found, State, StateFile};
use looking::Retry;
use reports::Report;
use sandboxes::Sandboxes;

/// How long a shutdown waits for reports that are under way.
const DRAIN: Duration = Duration::from_secs(10);

/// A question that `status` asks: the answer goes into the sender.
pub type Question = oneshot::Sender<Status>;

/// What the agent shares with the rest of the process.
#[derive(Debug)]
pub struct Surroundings {
    /// Where time comes from.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// What `/livez` and `/readyz` go by.
    pub health: Health,
    /// The questions of `status`.
    pub questions: mpsc::Receiver<Question>,
    /// The request to end.
    pub shutdown: Shutdown,
}

/// Runs the agent until it is asked to end.
///
/// # Errors
/// Only what makes it pointless to start; whatever goes wrong later is told and lived with.
pub async fn run(config: Config, surroundings: Surroundings) -> anyhow::Result<()> {
    let mut agent = Agent::start(config, &surroundings)?;
    let Surroundings {
        mut questions,
        mut shutdown,
        ..
    } = surroundings;
    let start = tokio::time::Instant::now() + agent.jitter();
    let mut ticks = interval_at(start, agent.config.poll);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.asked() => break,
            _ = ticks.tick() => agent.tick().await,
            sighting = next(&mut agent.evidence) => agent.sighted(sighting),
            Some(report) = agent.reports.join_next() => agent.reported(report),
            Some(question) = questions.recv() => {
                // Whoever asked may have gone away.
                let _ = question.send(agent.status());
            }
        }
    }
    agent.end().await;
    Ok(())
}

type Evidence = Pin<Box<dyn Stream<Item = Sighting> + Send>>;

async fn next(evidence: &mut Option<Evidence>) -> Option<Sighting> {
    match evidence {
        Some(stream) => stream.next().await,
        None => future::pending().await,
    }
}

struct Agent {
    config: Config,
    clock: Clock,
    metrics: Metrics,
    health: Health,
    boot: String,
    runtime: Runtime,
    runtime_well: bool,
    sandboxes: Sandboxes,
    client: Option<Client>,
    client_well: bool,
    evidence: Option<Evidence>,
    evidence_well: bool,
    /// Since when the open evidence has named all that is Pending; from then on it tells of every change.
    complete_since: Option<Moment>,
    retry: Retry,
    /// Since when nothing is unsettled.
    quiet_since: Option<Moment>,
    /// The newest view of each Pod that is being judged.
    latest: BTreeMap<String, Latest>,
    ledger: Ledger,
    brake: Brake,
    reports: JoinSet<Report>,
    state: StateFile,
    unsaved: bool,
    log: NodeLog,
}

struct Latest {
    view: PodView,
    verdict: Verdict,
    /// Since when complete evidence does not name the Pod.
    absent: Option<Moment>,
}

impl Agent {
    fn start(config: Config, surroundings: &Surroundings) -> anyhow::Result<Self> {
        let clock = surroundings.clock.clone();
        let now = clock.now();
        let boot = clock::boot_id().context("reading the kernel's boot id")?;
        let state = StateFile::in_dir(&config.state_dir);
        let mut ledger = Ledger::default();
        let mut brake = Brake {
            warm_up_until: now.after(config.warm_up),
            budget: config.budget,
            spent: Vec::new(),
        };
        match state.load() {
            Found::State(found) => {
                info!(
                    pods = found.ledger.pods().count(),
                    "counts of an earlier run taken up"
                );
                ledger = found.ledger;
                brake.spent = found.spent;
                ledger.restarted();
                if found.boot == boot {
                    // A shorter warm-up in the configuration takes effect at once, a longer one at the next boot.
                    brake.warm_up_until = brake.warm_up_until.min(found.warm_up_until);
                } else {
                    ledger.rebooted(now);
                    brake.rebooted(now);
                }
            }
            Found::Nothing => info!("no counts of an earlier run"),
            Found::Damaged(problem) => {
                warn!(%problem, "the state file cannot be used, starting without counts");
            }
        }
        let mut agent = Self {
            runtime: Runtime::at(&config.cri_socket),
            runtime_well: true,
            sandboxes: Sandboxes::default(),
            client: None,
            client_well: true,
            evidence: None,
            evidence_well: true,
            complete_since: None,
            retry: Retry::at_once(now),
            quiet_since: None,
            latest: BTreeMap::new(),
            ledger,
            brake,
            reports: JoinSet::new(),
            state,
            unsaved: true,
            log: NodeLog::in_dir(&config.log_dir),
            clock,
            metrics: surroundings.metrics.clone(),
            health: surroundings.health.clone(),
            boot,
            config,
        };
        let boot = agent.boot.clone();
        agent.write_line(&Line::Start {
            version: env!("CARGO_PKG_VERSION"),
            boot: &boot,
        });
        agent.save();
        let (mode, node) = (agent.config.policy.mode.as_str(), &agent.config.policy.node);
        info!(%node, mode, "watching");
        Ok(agent)
    }

    /// Agents that start together do not look together: the first look is put off by up to one poll.
    fn jitter(&self) -> Duration {
        self.config.poll.mul_f64(self.share())
    }

    /// A number from 0 to 1 that differs from node to node, by the node's name.
    fn share(&self) -> f64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(self.config.policy.node.as_bytes());
        let [a, b, ..] = hasher.finish().to_be_bytes();
        f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX)
    }

    async fn tick(&mut self) {
        let looked = self.look().await;
        let now = self.clock.now();
        match looked {
            Ok(()) => {
                if !std::mem::replace(&mut self.runtime_well, true) {
                    info!("the container runtime answers again");
                }
            }
            Err(status) => {
                self.metrics.runtime_errors.inc();
                if std::mem::replace(&mut self.runtime_well, false) {
                    let socket = self.config.cri_socket.display();
                    warn!(%socket, %status, "the container runtime does not answer");
                }
            }
        }
        self.health.ticked(now, self.runtime_well);
        if self.complete_since.is_some() {
            // Pods that came up since, and were gone from Pending before anyone looked.
            let judged = self.latest.keys().cloned().collect();
            self.sandboxes.complete(&judged, now);
        }
        self.forget_absent(now);
        self.open_or_close(now).await;
        self.judge_what_stands();
        if self.reports.is_empty() {
            // A report that ended without a word: whatever it wrote is found at the next look.
            self.ledger.restarted();
        }
        self.unsaved |= self.ledger.keep(self.sandboxes.uids(), now);
        self.save();
    }

    fn save(&mut self) {
        if !std::mem::take(&mut self.unsaved) {
            return;
        }
        let state = State::new(
            self.boot.clone(),
            self.brake.warm_up_until,
            self.brake.spent.clone(),
            self.ledger.clone(),
        );
        if let Err(error) = self.state.save(&state) {
            let dir = self.config.state_dir.display();
            error!(%dir, %error, "the counts cannot be kept on disk, going on without; a restart would lose them");
        }
        // What could not be written is tried again at the next tick.
        self.unsaved = !self.state.is_well();
        self.metrics
            .state_unwritable
            .set((!self.state.is_well()).into());
    }

    fn write_line(&mut self, line: &Line<'_>) {
        if let Err(error) = self.log.write(self.clock.wall(), line) {
            let dir = self.config.log_dir.display();
            warn!(%dir, %error, "the node's log cannot be written, going on without");
        }
    }

    async fn end(mut self) {
        info!(reports = self.reports.len(), "ending");
        let drained = tokio::time::timeout(DRAIN, async {
            while let Some(report) = self.reports.join_next().await {
                self.reported(report);
            }
        });
        if drained.await.is_err() {
            warn!("reports were still under way; they are taken up again at the next start");
        }
        self.unsaved = true;
        self.save();
    }
}
