//! The agent: look → judge → save → report, for ever.

mod explain;
mod gauges;
mod images;
mod judging;
mod logging;
mod looking;
mod namespaces;
mod next;
mod released;
mod reports;
mod sandboxes;
mod settings;
mod sources;
mod status;
mod undoing;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

pub use explain::{Explanation, ImageExplained, Known};
pub use images::Images;
pub use status::{PodStatus, Status, Unrecognised};

use crate::admin::Health;
use crate::clock::{self, Clock};
use crate::config::{Config, Given, LogFormat};
use crate::cri::Runtime;
use crate::duty::{self, Duty};
use crate::evidence::ApiServer;
use crate::judge::{Docket, Kept, Moment, Policy, redacted};
use crate::metrics::Metrics;
use crate::report::{Guard, NodeLog};
use crate::shutdown::{self, Shutdown, Trigger};
use crate::state::{Found, State, StateFile};
use looking::{Look, answer};
use namespaces::Namespaces;
use released::Released;
use reports::Report;
use sandboxes::Sandboxes;
use sources::{Choice, Open, next};
use undoing::{NAMED_BY, Undoing};

/// How long a shutdown waits for reports that are under way.
const DRAIN: Duration = Duration::from_secs(10);

/// A question that comes over the control socket: the answer goes into the sender.
#[derive(Debug)]
pub enum Question {
    /// What `pullwarden status` shows.
    Status(oneshot::Sender<Status>),
    /// What `pullwarden explain` shows of one Pod.
    Explain {
        /// The Pod's namespace.
        namespace: String,
        /// The Pod's name.
        pod: String,
        /// Where the answer goes.
        answer: oneshot::Sender<Explanation>,
    },
}

/// What the agent shares with the rest of the process.
#[derive(Debug)]
pub struct Surroundings {
    /// Where time comes from.
    pub clock: Clock,
    /// Where the configuration comes from.
    pub given: Given,
    /// What is counted.
    pub metrics: Metrics,
    /// What `/livez` and `/readyz` go by.
    pub health: Health,
    /// The questions of `status` and `explain`.
    pub questions: mpsc::Receiver<Question>,
    /// The request to end.
    pub shutdown: Shutdown,
    /// Where the duty goes once no other agent works on this node, to be held until all has ended.
    pub on_duty: Option<oneshot::Sender<Duty>>,
}

/// Runs the agent until it is asked to end.
///
/// # Errors
/// Only what makes it pointless to start; whatever goes wrong later is told and lived with.
pub async fn run(config: Config, mut surroundings: Surroundings) -> anyhow::Result<()> {
    let Surroundings {
        clock,
        health,
        metrics,
        shutdown,
        ..
    } = &mut surroundings;
    let duty = tokio::select! {
        () = shutdown.asked() => return Ok(()),
        duty = duty::wait(&config.startup.state_dir, clock, health, metrics) => duty,
    };
    // Whoever waits for it may have gone away, or there is nobody: then it ends with the agent.
    let _duty = match surroundings.on_duty.take() {
        Some(on_duty) => on_duty.send(duty).err(),
        None => Some(duty),
    };
    let (mut agent, mut questions, mut shutdown) = Agent::start(config, surroundings)?;
    agent.make_sure();
    let mut pause = std::pin::pin!(sleep(agent.jitter()));
    loop {
        tokio::select! {
            () = shutdown.asked() => break,
            () = &mut pause, if agent.look.is_none() => agent.begin_look(),
            answer = answer(&mut agent.look) => {
                agent.answered(answer);
                if agent.look.is_none() {
                    pause.as_mut().reset(Instant::now() + agent.pause());
                }
            }
            sighting = next(&mut agent.evidence) => agent.sighted(sighting),
            sighting = next(&mut agent.candidate) => agent.tried(sighting),
            Some(report) = agent.reports.join_next() => agent.reported(report)?,
            Some(question) = questions.recv() => {
                agent.answer(question);
            }
        }
    }
    agent.end().await;
    Ok(())
}

struct Agent {
    config: Config,
    given: Given,
    /// What is wrong with the configuration's file as it is now; the one before is in force.
    refused: Option<String>,
    clock: Clock,
    metrics: Metrics,
    health: Health,
    boot: String,
    runtime: Runtime,
    runtime_well: bool,
    /// What the runtime is being asked.
    look: Option<Look>,
    sandboxes: Sandboxes,
    api: ApiServer,
    guard: Guard,
    evidence: Option<Open>,
    /// The kubelet's socket, tried while the API server stands in for it.
    candidate: Option<Open>,
    evidence_well: bool,
    /// Since when the open evidence has named all that is Pending; from then on it tells of every change.
    complete_since: Option<Moment>,
    /// When the open evidence last said anything.
    last_word: Option<Moment>,
    /// Since when complete evidence does not name these Pods, of which something is known.
    absent: BTreeMap<String, Moment>,
    choice: Choice,
    /// Since when nothing is unsettled.
    quiet_since: Option<Moment>,
    /// What is judged, and what was counted.
    docket: Docket,
    /// The Pods that are too large to be judged: each was said once.
    too_large: BTreeSet<String>,
    /// Of each Pod, the digest of what was last written down of it.
    shown: BTreeMap<String, u64>,
    /// When it was last looked whether something has stood long enough.
    ticked: Option<Moment>,
    images: Images,
    namespaces: Namespaces,
    unrecognised: Vec<Unrecognised>,
    /// Pods that would have been failed and started after all, since the agent started.
    wrong: u64,
    /// What the Pods that were failed do not hold any more.
    released: Released,
    reports: JoinSet<Report>,
    /// Tells the reports that the agent ends.
    ending: Trigger,
    /// The policy, for the reports that are under way.
    in_force: watch::Sender<Arc<Policy>>,
    /// The conditions that are to be reverted.
    undoing: Undoing,
    /// By then the evidence has named whom an earlier run has left.
    named_by: Moment,
    /// The runtime is asked to pull by one report at a time.
    pulls: Arc<Semaphore>,
    state: StateFile,
    unsaved: bool,
    log: NodeLog,
}

impl Agent {
    fn start(
        config: Config,
        surroundings: Surroundings,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Question>, Shutdown)> {
        let clock = surroundings.clock;
        let now = clock.now();
        let boot = clock::boot_id().context("reading the kernel's boot id")?;
        let state = StateFile::in_dir(&config.startup.state_dir);
        let mut docket = Docket::new(config.brake, config.warm_up, now);
        let mut images = Images::default();
        let counts = match state.load() {
            Found::State(found) => {
                info!(
                    pods = found.ledger.pods().count(),
                    "counts of an earlier run taken up"
                );
                let same_boot = found.boot == boot;
                images = found.images;
                if !same_boot {
                    images.rebooted();
                }
                let kept = Kept {
                    same_boot,
                    warm_up_until: found.warm_up_until,
                    memory: found.brake,
                    ledger: found.ledger,
                };
                docket.take_up(kept, now);
                "kept"
            }
            Found::Nothing => {
                info!("no counts of an earlier run");
                "none"
            }
            Found::Damaged(problem) => {
                warn!(%problem, "the state file cannot be used, starting without counts");
                "damaged"
            }
        };
        let mut agent = Self {
            runtime: Runtime::at(&config.startup.cri_socket),
            runtime_well: true,
            look: None,
            sandboxes: Sandboxes::default(),
            api: ApiServer::new(config.startup.kubeconfig.as_deref().map(Into::into)),
            guard: Guard::new(config.startup.own_pod.clone()),
            evidence: None,
            candidate: None,
            evidence_well: true,
            complete_since: None,
            last_word: None,
            absent: BTreeMap::new(),
            choice: Choice::at_once(now),
            quiet_since: None,
            docket,
            too_large: BTreeSet::new(),
            shown: BTreeMap::new(),
            ticked: None,
            images,
            namespaces: Namespaces::default(),
            unrecognised: Vec::new(),
            wrong: 0,
            released: Released::default(),
            reports: JoinSet::new(),
            ending: shutdown::channel().0,
            in_force: watch::Sender::new(Arc::new(config.policy.clone())),
            undoing: Undoing::default(),
            named_by: now.after(NAMED_BY),
            pulls: Arc::new(Semaphore::new(1)),
            state,
            unsaved: true,
            log: NodeLog::in_dir(
                &config.startup.log_dir,
                config.startup.log_format.0 == LogFormat::Json,
            ),
            clock,
            metrics: surroundings.metrics,
            health: surroundings.health,
            boot,
            given: surroundings.given,
            refused: None,
            config,
        };
        agent.log_start(counts, now);
        agent.save();
        let (mode, node) = (agent.config.policy.mode.as_str(), &agent.config.policy.node);
        info!(%node, mode, "watching");
        Ok((agent, surroundings.questions, surroundings.shutdown))
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

    /// The look at the runtime is over: what follows from it, and from the time that has gone by.
    fn looked(&mut self, looked: Result<(), tonic::Status>) {
        self.metrics.runtime_looks.inc();
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
                    let socket = self.config.startup.cri_socket.display();
                    let status = status.to_string();
                    warn!(%socket, status = %redacted(&status), "the container runtime does not answer");
                }
            }
        }
        self.health.ticked(now, self.runtime_well);
        if self.complete_since.is_some() {
            // Pods that came up since, and were gone from Pending before anyone looked.
            let judged = self.docket.latest.keys().cloned().collect();
            self.sandboxes.complete(&judged, now);
        }
        self.forget_absent(now);
        self.open_or_close(now);
        self.ask_for_labels_again(now);
        self.judge_what_stands();
        self.count_held();
        self.count_state();
        self.count_released(now);
        if self.reports.is_empty() {
            // A report that ended without a word: whatever it wrote is found at the next look.
            self.docket.no_report();
        }
        self.take_back_what_is_over(now);
        self.forget(now);
        self.head_log();
        self.save();
    }

    fn answer(&self, question: Question) {
        // Whoever asked may have gone away.
        let _ = match question {
            Question::Status(answer) => answer.send(self.status()).is_ok(),
            Question::Explain {
                namespace,
                pod,
                answer,
            } => answer.send(self.explain(&namespace, &pod)).is_ok(),
        };
    }

    fn save(&mut self) {
        if !std::mem::take(&mut self.unsaved) {
            return;
        }
        let state = State::new(
            self.boot.clone(),
            self.docket.brake.warm_up_until,
            self.docket.brake.memory.clone(),
            self.images.clone(),
            self.docket.ledger.clone(),
        );
        self.metrics.state_writes.inc();
        if let Err(error) = self.state.save(&state) {
            let dir = self.config.startup.state_dir.display();
            error!(%dir, %error, "the counts cannot be kept on disk, going on without; a restart would lose them");
        }
        // What could not be written is tried again at the next tick.
        self.unsaved = !self.state.is_well();
        self.metrics
            .state_unwritable
            .set((!self.state.is_well()).into());
    }

    async fn end(mut self) {
        info!(reports = self.reports.len(), "ending");
        self.ending.pull();
        let drained = tokio::time::timeout(DRAIN, async {
            while let Some(report) = self.reports.join_next().await {
                // What the guard says now stops nobody any more.
                let _ = self.reported(report);
            }
        });
        if drained.await.is_err() {
            warn!("reports were still under way; they are taken up again at the next start");
        }
        self.unsaved = true;
        self.save();
    }
}
