//! The agent: look → judge → save → report, for ever.

mod reports;
mod sandboxes;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{Stream, StreamExt as _, future};
use kube::Client;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at};
use tracing::{debug, error, info, warn};

pub use status::{PodStatus, Status};

use crate::admin::Health;
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::cri::Runtime;
use crate::evidence::{self, Sighting};
use crate::judge::{Brake, Decision, Ledger, Moment, PodView, Reason, Stage, Verdict, judge};
use crate::metrics::{ByDecision, Metrics};
use crate::report::{Line, NodeLog};
use crate::shutdown::Shutdown;
use crate::state::{Found, State, StateFile};
use reports::Report;
use sandboxes::Sandboxes;

/// Evidence is closed this long after the last Pod settled.
const LINGER: Duration = Duration::from_secs(30);

/// A Pod that complete evidence does not name, for this long, is not Pending.
const ABSENT: Duration = Duration::from_secs(10);

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

    /// Agents that start together do not look together: the first look is put off by up to one poll, by the node's name.
    fn jitter(&self) -> Duration {
        let name = self.config.policy.node.bytes();
        let hash = name.fold(5381_u32, |hash, byte| {
            hash.wrapping_mul(33) ^ u32::from(byte)
        });
        self.config
            .poll
            .mul_f64(f64::from(hash) / f64::from(u32::MAX))
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

    async fn look(&mut self) -> Result<(), tonic::Status> {
        let found = self.runtime.sandboxes().await?;
        let now = self.clock.now();
        let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
        self.metrics.sandboxes.set(count);
        let policy = &self.config.policy;
        self.sandboxes
            .update(found, now, |namespace| policy.excludes(namespace));
        if self.sandboxes.unsettled() > 0 {
            let with_containers = self.runtime.sandboxes_with_containers().await?;
            self.sandboxes.note_containers(&with_containers);
        }
        Ok(())
    }

    fn forget_absent(&mut self, now: Moment) {
        let absent = |latest: &Latest| latest.absent.is_some_and(|at| now.since(at) >= ABSENT);
        let gone = self.latest.iter().filter(|(_, latest)| absent(latest));
        let gone: Vec<String> = gone.map(|(uid, _)| uid.clone()).collect();
        for uid in gone {
            self.left(&uid);
        }
    }

    async fn open_or_close(&mut self, now: Moment) {
        let unsettled = self.sandboxes.unsettled();
        self.metrics
            .unsettled
            .set(i64::try_from(unsettled).unwrap_or(i64::MAX));
        if unsettled > 0 || !self.latest.is_empty() {
            self.quiet_since = None;
        } else {
            self.quiet_since.get_or_insert(now);
        }
        let quiet = self
            .quiet_since
            .is_some_and(|since| now.since(since) >= LINGER);
        if self.evidence.is_some() && quiet {
            debug!("nothing is unsettled, evidence closed");
            self.evidence = None;
            self.evidence_well = true;
            self.sandboxes.incomplete();
        }
        if self.evidence.is_none() && self.sandboxes.want_evidence(now) {
            self.open().await;
        }
        if self.evidence.is_none() && self.reports.is_empty() {
            // No connection is kept on a quiet node.
            self.client = None;
        }
        self.metrics
            .evidence_open
            .set(self.evidence.is_some().into());
        self.metrics.evidence_lost.set((!self.evidence_well).into());
    }

    async fn open(&mut self) {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => match evidence::open(self.config.kubeconfig.as_deref()).await {
                Ok(client) => self.client.insert(client).clone(),
                Err(error) => {
                    if std::mem::replace(&mut self.client_well, false) {
                        warn!(error = format!("{error:#}"), "no way to the API server");
                    }
                    return;
                }
            },
        };
        self.client_well = true;
        debug!(unsettled = self.sandboxes.unsettled(), "evidence opened");
        self.evidence = Some(Box::pin(evidence::watch(client, &self.config.policy.node)));
    }

    fn sighted(&mut self, sighting: Option<Sighting>) {
        match sighting {
            Some(Sighting::Seen(view)) => {
                self.evidence_is_back();
                self.judge(*view);
            }
            Some(Sighting::Left(uid)) => {
                self.evidence_is_back();
                self.left(&uid);
            }
            Some(Sighting::Complete(named)) => {
                self.evidence_is_back();
                self.complete(&named);
            }
            Some(Sighting::Lost(error)) => {
                self.sandboxes.incomplete();
                if std::mem::replace(&mut self.evidence_well, false) {
                    warn!(%error, "evidence from the API server is lost, trying again");
                }
            }
            // Opened again at the next tick.
            None => self.evidence = None,
        }
        self.save();
    }

    fn evidence_is_back(&mut self) {
        if !std::mem::replace(&mut self.evidence_well, true) {
            info!("evidence from the API server is back");
        }
    }

    fn complete(&mut self, named: &BTreeSet<String>) {
        let now = self.clock.now();
        self.sandboxes.complete(named, now);
        for (uid, latest) in &mut self.latest {
            match named.contains(uid) {
                true => latest.absent = None,
                false => _ = latest.absent.get_or_insert(now),
            }
        }
    }

    /// Only what stands is decided by the clock.
    fn judge_what_stands(&mut self) {
        let stands = |uid: &str| {
            let images = self.ledger.pod(uid).map(|record| record.images.values());
            images.is_some_and(|mut images| images.any(|image| image.standing.is_some()))
        };
        let views = self.latest.iter().filter(|(uid, _)| stands(uid));
        let views: Vec<PodView> = views.map(|(_, latest)| latest.view.clone()).collect();
        for view in views {
            self.judge(view);
        }
    }

    fn judge(&mut self, view: PodView) {
        let now = self.clock.now();
        let verdict = judge(
            &mut self.ledger,
            &self.brake,
            &self.config.policy,
            &view,
            now,
        );
        if verdict.observed.stale {
            return;
        }
        let before = self.latest.get(&view.uid);
        let news = verdict.observed.changed
            || before.is_none_or(|before| before.verdict.decision != verdict.decision);
        if news {
            self.note(&view, &verdict, now);
            self.unsaved = true;
        }
        let uid = view.uid.clone();
        match &verdict.decision {
            Decision::Settle if verdict.reasons.contains(&Reason::NotPending) => {
                return self.left(&uid);
            }
            Decision::Settle => {
                self.take_back_if_marked(&view);
                self.latest.remove(&uid);
                return self.sandboxes.look_again_later(&uid, now);
            }
            Decision::Wait | Decision::Hold | Decision::Condemn(_) => {
                self.sandboxes.unsettle(&uid);
            }
        }
        if view.ending {
            self.written_before(&uid, now);
        }
        if !verdict.observed.healed.is_empty() {
            self.take_back_if_marked(&view);
        }
        let condemned = match &verdict.decision {
            Decision::Condemn(condemned) => Some((**condemned).clone()),
            _ => None,
        };
        if let Some(condemned) = condemned {
            self.report(condemned, &view, now);
        }
        let latest = Latest {
            view,
            verdict,
            absent: None,
        };
        self.latest.insert(uid, latest);
    }

    /// A Pod that an earlier run has written to and not followed to its end.
    fn written_before(&mut self, uid: &str, now: Moment) {
        let stage = self.ledger.pod(uid).map(|record| record.stage);
        if !matches!(stage, Some(Stage::Written(_) | Stage::Writing)) {
            self.ledger.set_stage(uid, Stage::Written(now));
        }
    }

    fn note(&mut self, view: &PodView, verdict: &Verdict, now: Moment) {
        let (namespace, pod, uid) = (&view.namespace, &view.name, &view.uid);
        let decision = verdict.decision.as_str();
        let reasons: Vec<String> = verdict.reasons.iter().map(Reason::to_string).collect();
        let enforce = match &verdict.decision {
            Decision::Condemn(condemned) => Some(condemned.enforce),
            _ => None,
        };
        self.metrics
            .verdicts
            .get_or_create(&ByDecision { decision })
            .inc();
        for image in &verdict.observed.failed {
            let record = self
                .ledger
                .pod(uid)
                .and_then(|record| record.images.get(image));
            let Some((record, last)) = record.and_then(|r| r.last.as_ref().map(|l| (r, l))) else {
                continue;
            };
            self.metrics
                .failures
                .get_or_create(&last.cause.into())
                .inc();
            let (failures, cause, error) = (record.failures, last.cause, &last.message);
            info!(%namespace, %pod, %image, %cause, failures, %error, "pull failed");
        }
        for image in &verdict.observed.healed {
            info!(%namespace, %pod, %image, "pulled after failures, its count is dropped");
        }
        match &verdict.decision {
            Decision::Hold => {
                info!(%namespace, %pod, why = reasons.join("; "), "verdict held");
            }
            Decision::Condemn(condemned) => {
                let enforce = condemned.enforce;
                info!(%namespace, %pod, enforce, why = reasons.join("; "), "condemned");
            }
            Decision::Settle | Decision::Wait => {
                debug!(%namespace, %pod, decision, why = reasons.join("; "), "judged");
            }
        }
        if verdict.observed.changed {
            self.write_line(&Line::View { at: now, view });
        }
        self.write_line(&Line::Verdict {
            at: now,
            namespace,
            pod,
            uid,
            decision,
            enforce,
            failed: verdict.observed.failed.iter().map(String::as_str).collect(),
            healed: verdict.observed.healed.iter().map(String::as_str).collect(),
            reasons,
        });
    }

    /// The Pod is not Pending any more, or gone.
    fn left(&mut self, uid: &str) {
        self.sandboxes.done(uid);
        self.latest.remove(uid);
        let Some(record) = self.ledger.pod(uid) else {
            return;
        };
        if record.stage == Stage::Writing {
            // The report under way will find out, and its end forgets the Pod.
            return;
        }
        let Some(record) = self.ledger.forget(uid) else {
            return;
        };
        self.unsaved = true;
        let now = self.clock.now();
        let (namespace, pod) = (&record.namespace, &record.name);
        let written = matches!(record.stage, Stage::Written(_));
        if let Stage::Written(at) = record.stage {
            let after = now.since(at);
            info!(%namespace, %pod, ?after, "the kubelet has ended the Pod, its capacity is free");
        } else if record.images.values().any(|image| image.failures > 0) {
            info!(%namespace, %pod, "not Pending any more, its counts are dropped");
        }
        self.write_line(&Line::Left {
            at: now,
            namespace,
            pod,
            uid,
            written,
        });
        if record.stage == Stage::Marked {
            self.take_back(uid, namespace, pod);
        }
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
