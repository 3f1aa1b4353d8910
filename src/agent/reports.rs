use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::task::JoinError;
use tracing::{info, warn};

use super::Agent;
use crate::evidence::ApiServer;
use crate::judge::{Action, Because, Complaint, Condemned, ImageRecord, Moment, PodView, Undone};
use crate::metrics::ByStep;
use crate::report::{
    self, Account, Aftermath, Asked, Ending, Event, InForce, Line, Subject, Trace, Unguarded,
};
use crate::text::Shown;

/// What became of one report.
#[derive(Debug)]
pub(super) enum Report {
    /// A condemned Pod: failed, or announced where only observing.
    Condemned {
        condemned: Box<Condemned>,
        account: Account,
        /// The Event that is to be written; `None` if none is due.
        event: Option<Event>,
        /// What became of the Event that says what would have been done; `None` if none was due. That Pod is announced once this is known.
        announced: Option<Result<(), String>>,
    },
    /// A Pod that would have been failed, and left Pending.
    Aftermath {
        condemned: Box<Condemned>,
        because: Because,
        aftermath: Aftermath,
        trace: Vec<Trace>,
    },
    /// An Event was to be written.
    Announced {
        subject: Subject,
        event: Result<(), String>,
    },
    /// The labels of a namespace.
    Labels {
        name: String,
        labels: Result<BTreeMap<String, String>, String>,
    },
    /// Whether the API server holds the agent to its own node.
    Guarded(Result<(), Unguarded>),
    /// A condition that was taken back.
    TakenBack {
        condemned: Box<Condemned>,
        undone: Undone,
        trace: Vec<Trace>,
    },
}

impl Agent {
    /// Starts the report on a condemned Pod. What was counted is on disk before anything is written.
    pub(super) fn report(&mut self, condemned: Condemned) {
        self.metrics
            .condemned
            .get_or_create(&condemned.cause.into())
            .inc();
        self.unsaved = true;
        self.save();

        let policy = self.config.policy.clone();
        let (in_force, mut ending) = (InForce::of(&self.in_force), self.ending.request());
        let at = self.clock.wall();
        let mut condemned = Box::new(condemned);
        let (mut runtime, pulls) = (self.runtime.clone(), self.pulls.clone());
        let (api, guard) = (self.api.clone(), self.guard.clone());
        self.reports.spawn(async move {
            // The last look at the Pod comes last: it is the freshest at the write, and who is spared before costs no request.
            let asked = tokio::select! {
                () = ending.asked() => Asked::NoAnswer("the agent is ending".to_owned()),
                asked = report::ask(&mut runtime, &pulls, report::PATIENCE, &mut condemned) => asked,
            };
            let account = match asked {
                Asked::Spared(reason) => Ending::Spared(reason).into(),
                Asked::NoAnswer(why) => Ending::Failed(why).into(),
                Asked::Due => match api.client().await {
                    Err(why) => Ending::Failed(why).into(),
                    Ok(client) if condemned.enforce => match guard.make_sure(client).await {
                        Ok(()) => report::fail(client, &condemned, &in_force, at).await,
                        Err(unguarded) => Ending::from(unguarded).into(),
                    },
                    Ok(client) => report::look(client, &condemned, &in_force).await,
                },
            };
            let event = match (&account.ending, policy.action) {
                (Ending::Written, Action::Fail) => Some(Event::Failed(condemned.clone())),
                (Ending::Written, Action::Delete) => Some(Event::Deleted(condemned.clone())),
                _ => None,
            };
            let announced = match &account.ending {
                Ending::Due => {
                    let (subject, event) = (
                        Subject::of(&condemned),
                        Event::WouldFail(condemned.clone()),
                    );
                    Some(announce(&api, &subject, &policy.node, &event, at).await)
                }
                _ => None,
            };
            Report::Condemned {
                condemned,
                account,
                event,
                announced,
            }
        });
    }

    /// Looks once what became of a Pod that would have been failed and is not Pending any more.
    pub(super) fn look_whether_started(
        &mut self,
        uid: &str,
        namespace: &str,
        name: &str,
        image: &str,
        because: Because,
    ) {
        let mut condemned = Box::new(Condemned::nobody(uid, namespace, name));
        image.clone_into(&mut condemned.image);
        let api = self.api.clone();
        self.reports.spawn(async move {
            let (aftermath, trace) = match api.client().await {
                Ok(client) => report::aftermath(client, &condemned).await,
                Err(_) => (Aftermath::Unknown, Vec::new()),
            };
            Report::Aftermath {
                condemned,
                because,
                aftermath,
                trace,
            }
        });
    }

    /// Writes the Event about annotations that cannot be read.
    pub(super) fn announce_complaints(&mut self, view: &PodView, complaints: Vec<Complaint>) {
        let subject = Subject {
            uid: view.uid.clone(),
            namespace: view.namespace.clone(),
            name: view.name.clone(),
        };
        self.announce(subject, Event::InvalidAnnotations(complaints));
    }

    /// Writes an Event. It may take minutes where the API server asks for pauses, so nothing waits for it.
    fn announce(&mut self, subject: Subject, event: Event) {
        let (node, at) = (self.config.policy.node.clone(), self.clock.wall());
        let api = self.api.clone();
        self.reports.spawn(async move {
            let event = announce(&api, &subject, &node, &event, at).await;
            Report::Announced { subject, event }
        });
    }

    /// Takes up what a report has come to.
    ///
    /// # Errors
    /// If the agent must not go on.
    pub(super) fn reported(&mut self, report: Result<Report, JoinError>) -> anyhow::Result<()> {
        match report {
            Ok(Report::Condemned {
                condemned,
                account,
                event,
                announced,
            }) => {
                self.trace(&condemned, &account.trace);
                if let Some(announced) = announced {
                    self.event(&Subject::of(&condemned), announced);
                }
                self.ended(&condemned, &account);
                if let Some(event) = event {
                    self.announce(Subject::of(&condemned), event);
                }
            }
            Ok(Report::Aftermath {
                condemned,
                because,
                aftermath,
                trace,
            }) => {
                self.trace(&condemned, &trace);
                let line = Line::Aftermath {
                    namespace: &condemned.namespace,
                    pod: &condemned.name,
                    uid: &condemned.uid,
                    became: aftermath.as_str(),
                };
                self.write_line(self.clock.now(), &line);
                if aftermath == Aftermath::Started {
                    let Condemned {
                        namespace,
                        name,
                        uid,
                        image,
                        ..
                    } = &*condemned;
                    self.started(namespace, name, uid, image, because);
                }
            }
            Ok(Report::Announced { subject, event }) => self.event(&subject, event),
            Ok(Report::Labels { name, labels }) => self.labelled(name, labels),
            Ok(Report::Guarded(tried)) => self.guarded(tried)?,
            Ok(Report::TakenBack {
                condemned,
                undone,
                trace,
            }) => self.taken_back(&condemned, undone, &trace),
            Err(error) => warn!(%error, "a report ended unexpectedly"),
        }
        self.take_back_what_is_over(self.clock.now());
        self.unsaved = true;
        self.head_log();
        self.save();
        Ok(())
    }

    fn count_failed(&self, condemned: &Condemned, now: Moment) {
        let cause = condemned.cause.into();
        self.metrics.failed.get_or_create(&cause).inc();
        let record = self.docket.ledger.pod(&condemned.uid);
        let image = record.and_then(|record| record.images.get(&condemned.image));
        let since = image.and_then(ImageRecord::failing_since);
        let after = since.map_or(condemned.lasting, |since| now.since(since));
        self.metrics.failed_after.0.observe(after.as_secs_f64());
    }

    pub(super) fn trace(&mut self, condemned: &Condemned, trace: &[Trace]) {
        for Trace { step, result } in trace {
            let ok = result == "ok";
            self.metrics
                .writes
                .get_or_create(&ByStep::new(*step, ok))
                .inc();
            self.write_step(&Subject::of(condemned), step.as_str(), result);
        }
    }

    fn event(&mut self, subject: &Subject, event: Result<(), String>) {
        let (namespace, pod) = (&subject.namespace, &subject.name);
        if let Err(error) = &event {
            warn!(%namespace, %pod, %error, "the Event could not be written");
        }
        self.metrics
            .writes
            .get_or_create(&ByStep::event(event.is_ok()))
            .inc();
        let result = event.as_ref().err().map_or("ok", String::as_str);
        self.write_step(subject, "event", result);
    }

    fn write_step(&mut self, subject: &Subject, step: &str, result: &str) {
        let line = Line::Write {
            namespace: &subject.namespace,
            pod: &subject.name,
            uid: &subject.uid,
            step,
            result,
        };
        self.write_line(self.clock.now(), &line);
    }

    fn ended(&mut self, condemned: &Condemned, account: &Account) {
        let (ending, marked) = (&account.ending, account.marked);
        let Condemned {
            namespace,
            name: pod,
            uid,
            image,
            cause,
            failures,
            ..
        } = condemned;
        let (image, key) = (Shown(image), image);
        let detail = ending.detail();
        match ending {
            Ending::Written => {
                info!(%namespace, %pod, %image, %cause, failures, "Pod failed, the kubelet is ending it");
                let now = self.clock.now();
                self.count_failed(condemned, now);
                self.release(account.requests, now);
            }
            Ending::Due => {
                info!(%namespace, %pod, %image, %cause, failures, "would fail the Pod (observing only)");
            }
            Ending::Spared(_) | Ending::Gone => {
                info!(%namespace, %pod, %image, why = detail, "Pod spared");
            }
            Ending::Denied(_) => {
                warn!(%namespace, %pod, %image, error = detail, "failing the Pod is not allowed");
            }
            Ending::Failed(_) => {
                warn!(%namespace, %pod, %image, error = detail, "the Pod could not be failed, left for its next failure");
            }
        }
        let (now, outcome) = (self.clock.now(), ending.outcome());
        let has_left = self.docket.ended(uid, key, outcome, marked, now);
        let marked = self.docket.ledger.is_marked(uid);
        let line = Line::Report {
            namespace,
            pod,
            uid,
            image: key,
            ending: ending.as_str(),
            outcome: outcome.as_str(),
            marked,
            detail,
        };
        self.write_line(now, &line);
        // Of a Pod that was deleted or replaced evidence still tells: forgotten before that, a late view of it would count anew.
        if has_left {
            self.left(uid, None);
        }
    }
}

async fn announce(
    api: &ApiServer,
    subject: &Subject,
    node: &str,
    event: &Event,
    at: Timestamp,
) -> Result<(), String> {
    report::announce(api.client().await?, subject, node, event, at).await
}
