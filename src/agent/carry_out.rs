//! From effects to workers, and from the workers' results and the sources' words to events.

use super::parts::Agent;
use super::sources::Heard;
use super::workers::Done;
use crate::evidence::{Lost, Sighting};
use crate::journal::Now;
use crate::judge::{Effect, Event, Outcome, PodId, Undone};
use crate::report::{About, Trace, asked_last};

impl Agent {
    pub(super) fn carry_out(&mut self, effects: Vec<Effect>, now: Now) {
        // What was counted is on disk before anything is written to a Pod.
        if effects.iter().any(|e| matches!(e, Effect::Report(_))) {
            self.save();
        }
        let (node, share) = (self.sources.ways.node.clone(), self.sources.ways.share);
        for effect in effects {
            match effect {
                Effect::Report(request) => self.workers.report(request, now.wall),
                Effect::Revert(pod) => {
                    if self.workers.reverts.begins(&pod.uid, now.boot) {
                        let action = self.judge.policy().action;
                        self.workers.revert(pod, action, now.wall);
                    }
                }
                Effect::AskWhetherStarted {
                    pod,
                    image,
                    because,
                } => self.workers.ask_whether_started(pod, image, because),
                Effect::AskNamespace { namespace } => {
                    if self.workers.namespaces.begins(&namespace, now.boot, share) {
                        self.workers.read_namespace(namespace);
                    }
                }
                Effect::TellAuthor { pod, complaints } => {
                    self.workers.complain(pod, complaints, &node, now.wall);
                }
                Effect::Watch { uid } => self.poller.sandboxes.unsettle(&uid),
                Effect::Rest { uid, why } => {
                    self.poller.sandboxes.look_again_later(&uid, &why, now.boot);
                }
                Effect::Stop { uid } => {
                    self.poller.sandboxes.done(&uid);
                    self.sources.is_present(&uid);
                }
                Effect::Note(_) => {}
            }
        }
    }

    /// Takes up a word of a source.
    pub(super) fn heard(&mut self, heard: Heard) {
        let now = self.process.clock.now();
        let sighting = match heard {
            Heard::Open(sighting) => sighting,
            Heard::Candidate(sighting) => {
                let Some(closed) = self.sources.tried(&sighting, now) else {
                    return;
                };
                self.poller.sandboxes.incomplete(closed.spoken, now);
                sighting
            }
        };
        match sighting {
            Some(Sighting::Alive) => {}
            Some(Sighting::Seen(view)) => {
                self.sources.is_present(&view.uid);
                self.happen(Event::Observed(view));
            }
            Some(Sighting::Left(uid, view)) => self.happen(Event::Left { uid, view }),
            Some(Sighting::Complete(named)) => {
                let judge = &self.judge;
                let counted = judge.ledger().pods().map(|(uid, _)| uid);
                let known = counted.chain(judge.latest().keys().map(String::as_str));
                self.sources.complete(&named, known, now);
                self.poller.sandboxes.complete(&named, now);
            }
            Some(Sighting::Lost(lost)) => self.lost(&lost),
            None => self.lost(&"the watch has ended".to_owned().into()),
        }
        self.sources.spoke(now);
    }

    fn lost(&mut self, lost: &Lost) {
        let now = self.process.clock.now();
        let closed = self.sources.lost(lost, now);
        self.poller.sandboxes.incomplete(closed.spoken, now);
    }

    /// Takes up the result of a task.
    ///
    /// # Errors
    /// If the agent must not go on.
    pub(super) fn done(&mut self, done: Done) -> anyhow::Result<()> {
        let now = self.process.now();
        match done {
            Done::Reported {
                pod,
                image,
                account,
                event,
                announced,
            } => {
                self.requested(&pod, &account.trace);
                if let Some(announced) = announced {
                    self.announced(&pod, &About::Pod, &announced);
                }
                let (ending, marked) = (account.ending, account.marked);
                if let (Some(true), Some(asked)) = (marked, asked_last(&account.trace)) {
                    let share = self.sources.ways.share;
                    self.workers.reverts.rest(&pod.uid, now.boot, share, asked);
                }
                if ending.outcome == Outcome::Written {
                    self.process.count_freed(now.boot);
                    self.process.freed.add(account.requests, now.boot);
                }
                self.happen(Event::Reported {
                    pod: pod.clone(),
                    image,
                    ending,
                    marked,
                });
                if let Some(event) = event {
                    let (node, at) = (&self.sources.ways.node, now.wall);
                    if self.judge.policy().switches.owner_events {
                        let owners = account.owners;
                        self.workers.tell_owners(&pod, owners, &event, node, at);
                    }
                    self.workers.announce(pod, event, node, at);
                }
            }
            Done::Followed {
                pod,
                image,
                because,
                became,
                trace,
            } => {
                self.requested(&pod, &trace);
                self.happen(Event::Followed {
                    pod,
                    image,
                    because,
                    became,
                });
            }
            Done::Announced { pod, about, event } => self.announced(&pod, &about, &event),
            Done::Namespace { name, found } => {
                if let Some(known) = self.workers.namespaces.take(&name, found, now.boot) {
                    self.happen(Event::NamespaceRead {
                        namespace: name,
                        known,
                    });
                    self.workers.put_in_force(self.judge.policy());
                }
            }
            Done::Guarded(tried) => self.settings.guarded(tried)?,
            Done::Reverted { pod, undone, trace } => {
                self.requested(&pod, &trace);
                let (reverts, share) = (&mut self.workers.reverts, self.sources.ways.share);
                let is_news = match undone {
                    Undone::Standing => {
                        reverts.failed(&pod.uid, now.boot, share, asked_last(&trace))
                    }
                    Undone::Clear | Undone::Written => {
                        reverts.done(&pod.uid);
                        true
                    }
                };
                if is_news {
                    self.happen(Event::Reverted { pod, undone });
                }
            }
            Done::Nothing => {}
        }
        Ok(())
    }

    fn requested(&mut self, pod: &PodId, trace: &[Trace]) {
        let requests = trace.iter();
        let requests: Vec<_> = requests.map(|t| (t.step.as_str(), &*t.result)).collect();
        self.request_ended(pod, &requests);
    }

    fn announced(&mut self, pod: &PodId, about: &About, event: &Result<(), String>) {
        let (step, kind) = match about {
            About::Pod => ("event", "Pod"),
            About::Owner(owner) => ("owner-event", &*owner.kind),
        };
        if let Err(error) = event {
            let (namespace, pod) = (&pod.namespace, &pod.name);
            tracing::warn!(%namespace, %pod, %kind, %error, "the Event could not be written");
        }
        let result = event.as_ref().err().map_or("ok", String::as_str);
        self.request_ended(pod, &[(step, result)]);
    }

    fn request_ended(&mut self, pod: &PodId, requests: &[(&'static str, &str)]) {
        self.process.metrics.count_requests(requests);
        self.journal.requests(pod, requests, self.process.now());
    }
}
