//! The agent: next event → step → journal → save → effects, for ever.
//!
//! It knows the outside world and decides nothing: [`Judge`](crate::judge::Judge) does.

mod carry_out;
mod freed;
mod gauges;
mod keeper;
mod namespaces;
mod narrate;
mod parts;
mod poller;
mod process;
mod reverts;
mod sandboxes;
mod settings;
mod sources;
mod start;
mod tally;
mod told;
mod view;
mod workers;

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::config::Config;
use crate::duty;
use crate::images::Arrival;
use crate::journal::Now;
use crate::judge::{Event, Source};
use parts::Agent;
pub use parts::{Question, Surroundings};
use poller::Answer;

/// Time that a shutdown waits for reports that are under way.
const DRAIN: Duration = Duration::from_secs(10);

/// Evidence is closed this long after the last Pod settled.
const LINGER: Duration = Duration::from_secs(30);

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
    let (mut agent, mut questions, mut shutdown) = start::start(config, surroundings)?;
    // Agents that start together do not poll together.
    let poll = agent.settings.config.poll;
    let mut pause = std::pin::pin!(sleep(poll.mul_f64(agent.sources.ways.share)));
    loop {
        tokio::select! {
            () = shutdown.asked() => break,
            () = &mut pause, if !agent.poller.is_asking() => agent.begin_poll(),
            answer = agent.poller.answer() => {
                agent.answered(answer);
                if !agent.poller.is_asking() {
                    pause.as_mut().reset(Instant::now() + agent.pause());
                }
            }
            heard = agent.sources.next() => agent.heard(heard),
            done = agent.workers.next() => agent.done(done)?,
            Some(question) = questions.recv() => agent.reply(question),
        }
        agent.save();
    }
    agent.end().await;
    Ok(())
}

impl Agent {
    /// Takes up one event.
    fn happen(&mut self, event: Event) {
        let now = self.process.now();
        let effects = self.judge.step(&event, now.boot);
        self.journal.write(&event, &effects, &self.judge, now);
        self.process.metrics.count(&effects);
        if self.settings.config.registry_metrics {
            self.process.metrics.registries.count(&effects);
        }
        narrate::tell(&effects);
        self.tally.take(&effects);
        self.keeper.take(&event, &effects, &self.judge);
        self.carry_out(effects, now);
    }

    fn begin_poll(&mut self) {
        if self.settings.reread() {
            self.configured();
        }
        let refused = self.settings.refused.is_some();
        self.process
            .metrics
            .agent
            .configuration_refused
            .set(refused.into());
        self.poller.ask();
    }

    fn configured(&mut self) {
        let now = self.process.clock.now();
        let config = &self.settings.config;
        self.journal.configure(config.judging());
        self.sources.allow(config.evidence, now);
        // Whom the old rules left alone the new ones may not, and the other way round. Evidence that
        // is opened again names all of them; what was counted stays.
        self.sources.close(now);
        self.poller.sandboxes = Default::default();
        self.happen(Event::Configured(Box::new(self.settings.judging())));
        self.workers.put_in_force(self.judge.policy());
    }

    fn answered(&mut self, answer: Answer) {
        let now = self.process.clock.now();
        match answer {
            Answer::Sandboxes(Ok(found)) => {
                let sandboxes = i64::try_from(found.len()).unwrap_or(i64::MAX);
                self.process.metrics.sources.sandboxes.set(sandboxes);
                let policy = self.judge.policy();
                // An open watch tells of changes itself; who rests has a turn with the next one.
                let again = self.sources.source().is_none();
                let skip = |namespace: &str| policy.excludes(namespace);
                self.poller.sandboxes.update(found, now, again, skip);
                if !self.poller.ask_more(self.judge.is_any_failing()) {
                    self.polled(&Ok(()));
                }
            }
            Answer::More(Ok(more)) => {
                for Arrival { image, at } in self.poller.take(more, now) {
                    self.happen(Event::ImageArrived { image, at });
                }
                self.polled(&Ok(()));
            }
            Answer::Sandboxes(Err(status)) | Answer::More(Err(status)) => self.polled(&Err(status)),
        }
    }

    /// A poll is over: what follows from it, and from the time that has gone by.
    fn polled(&mut self, polled: &Result<(), tonic::Status>) {
        let now = self.process.now();
        let metrics = &self.process.metrics;
        metrics.sources.polls.inc();
        metrics.sources.failed_polls.inc_by(polled.is_err().into());
        self.poller
            .note(polled, &self.settings.config.startup.cri_socket);
        self.process.health.ticked(now.boot, self.poller.well);
        if self.sources.is_complete() {
            // Pods that came up since, and were gone from Pending before the poll.
            let judged = self.judge.latest().keys().cloned().collect();
            self.poller.sandboxes.complete(&judged, now.boot);
        }
        for uid in self.sources.absent_for_long(now.boot) {
            self.happen(Event::Left { uid, view: None });
        }
        self.open_or_close();
        self.happen(Event::Tick);
        let judged = self.judge.latest().values();
        let judged = judged.map(|latest| &*latest.view.namespace).collect();
        self.workers.namespaces.keep(&judged, now.boot);
        self.forget(now);
        gauges::count(self);
    }

    fn open_or_close(&mut self) {
        let now = self.process.clock.now();
        let judged = !self.judge.latest().is_empty();
        let quiet = self.poller.quiet(judged, now) >= LINGER;
        if self.sources.source().is_some() && quiet {
            debug!("nothing is unsettled, evidence closed");
            let closed = self.sources.close(now);
            self.poller.sandboxes.incomplete(closed.spoken, now);
        }
        // A Pod that is judged needs evidence until it has left, even if its sandbox is gone by now.
        let wanted = self.poller.sandboxes.want_evidence(now) || judged;
        match (self.sources.source(), wanted) {
            (None, true) => self.sources.open(now),
            (None, false) => self.sources.well = true,
            (Some(_), _) => self.sources.try_kubelet(now),
        }
        if self.sources.source() != Some(Source::ApiServer) && self.workers.len() == 0 {
            // No connection is kept where none is needed.
            self.workers.api.let_go();
            self.sources.ways.api = self.workers.api.clone();
        }
    }

    /// Forgets the Pods that have not been on the node for long.
    fn forget(&mut self, now: Now) {
        if self.judge.remembers_any() {
            let uids = self.poller.sandboxes.uids();
            self.happen(Event::OnNode(uids.map(str::to_owned).collect()));
        }
        // Open evidence goes on telling of Pods without a sandbox, and says when they leave.
        let is_open = self.sources.source().is_some();
        let (judge, sandboxes) = (&self.judge, &self.poller.sandboxes);
        let stays = |uid: &str| is_open || sandboxes.has(uid) || judge.knows(uid);
        self.journal.forget(stays, now);
        let reverts = &mut self.workers.reverts;
        reverts.keep(|uid| judge.ledger().is_marked(uid));
    }

    /// Time until the next poll.
    fn pause(&self) -> Duration {
        let now = self.process.clock.now();
        self.poller.pause(self.settings.config.poll, now)
    }

    fn reply(&self, Question { ask, answer }: Question) {
        let facts = view::facts(self);
        let sandboxes = &self.poller.sandboxes;
        let why_not = |namespace: &str, pod: &str| sandboxes.why_not(namespace, pod);
        match ask.answer(&view::of(self, &facts), why_not) {
            // Whoever asked may have gone away.
            Ok(value) => drop(answer.send(value)),
            Err(error) => warn!(%error, "an answer has no form in JSON"),
        }
    }

    /// Writes what must survive a restart, and begins a new file of the journal if it is time to.
    fn save(&mut self) {
        if self.journal.begin_file(&self.judge, self.process.now()) {
            self.happen(Event::NewFile);
        }
        if self.keeper.save(&self.judge, &self.poller.images) {
            self.process.metrics.agent.state_writes.inc();
        }
        let is_lost = !self.keeper.is_well();
        self.process
            .metrics
            .agent
            .state_unwritable
            .set(is_lost.into());
    }

    async fn end(mut self) {
        info!(reports = self.workers.len(), "ending");
        self.workers.end();
        let drained = tokio::time::timeout(DRAIN, async {
            while self.workers.len() > 0 {
                let done = self.workers.next().await;
                // What the guard says now stops nobody any more.
                let _ = self.done(done);
                self.save();
            }
        });
        if drained.await.is_err() {
            warn!("reports were still under way; they are taken up again at the next start");
        }
        self.keeper.changed();
        self.save();
    }
}
