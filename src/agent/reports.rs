use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::task::JoinError;
use tracing::{info, warn};

use super::Agent;
use crate::evidence::ApiServer;
use crate::judge::{
    Action, Because, Cause, Complaint, Condemned, ImageRecord, Moment, PodView, Shown, Undone,
};
use crate::metrics::ByStep;
use crate::report::{self, Account, Aftermath, Asked, Ending, Event, Line, Subject, Trace};

/// What became of one report.
#[derive(Debug)]
pub(super) enum Report {
    /// A condemned Pod: failed, or announced where only observing.
    Condemned {
        condemned: Box<Condemned>,
        account: Account,
        /// What became of the Event; `None` if none was due.
        event: Option<Result<(), String>>,
    },
    /// A Pod that would have been failed, and left Pending.
    Aftermath {
        condemned: Box<Condemned>,
        because: Because,
        aftermath: Aftermath,
        trace: Vec<Trace>,
    },
    /// The Pod's author was told of annotations that cannot be read.
    Complained {
        subject: Subject,
        event: Result<(), String>,
    },
    /// The labels of a namespace.
    Labels {
        name: String,
        labels: Result<BTreeMap<String, String>, String>,
    },
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
        let at = self.clock.wall();
        let mut condemned = Box::new(condemned);
        let (mut runtime, pulls) = (self.runtime.clone(), self.pulls.clone());
        let (api, guard) = (self.api.clone(), self.guard.clone());
        self.reports.spawn(async move {
            // The last look at the Pod comes last: it is the freshest at the write, and who is spared before costs no request.
            let asked = report::ask(&mut runtime, &pulls, report::PATIENCE, &mut condemned).await;
            let account = match asked {
                Asked::Spared(reason) => Ending::Spared(reason).into(),
                Asked::NoAnswer(why) => Ending::Failed(why).into(),
                Asked::Due => match api.client().await {
                    Err(why) => Ending::Failed(why).into(),
                    Ok(client) if condemned.enforce => match guard.make_sure(client).await {
                        Ok(()) => report::fail(client, &condemned, &policy, at).await,
                        Err(unguarded) => Ending::from(unguarded).into(),
                    },
                    Ok(client) => report::look(client, &condemned, &policy).await,
                },
            };
            let event = match (&account.ending, policy.action) {
                (Ending::Written, Action::Fail) => Some(Event::Failed((*condemned).clone())),
                (Ending::Written, Action::Delete) => Some(Event::Deleted((*condemned).clone())),
                (Ending::Due, _) => Some(Event::WouldFail((*condemned).clone())),
                _ => None,
            };
            let subject = Subject::of(&condemned);
            let event = match event {
                Some(event) => Some(announce(&api, &subject, &policy.node, &event, at).await),
                None => None,
            };
            Report::Condemned {
                condemned,
                account,
                event,
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
        let mut condemned = Box::new(nobody(uid, namespace, name));
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
        let (node, at) = (self.config.policy.node.clone(), self.clock.wall());
        let api = self.api.clone();
        self.reports.spawn(async move {
            let event = Event::InvalidAnnotations(complaints);
            let event = announce(&api, &subject, &node, &event, at).await;
            Report::Complained { subject, event }
        });
    }

    pub(super) fn take_back(&mut self, uid: &str, namespace: &str, name: &str) {
        let condemned = Box::new(nobody(uid, namespace, name));
        let (api, at) = (self.api.clone(), self.clock.wall());
        self.reports.spawn(async move {
            let (undone, trace) = match api.client().await {
                Ok(client) => report::take_back(client, &condemned, at).await,
                Err(_) => (Undone::Standing, Vec::new()),
            };
            Report::TakenBack {
                condemned,
                undone,
                trace,
            }
        });
    }

    pub(super) fn reported(&mut self, report: Result<Report, JoinError>) {
        match report {
            Ok(Report::Condemned {
                condemned,
                account,
                event,
            }) => {
                self.trace(&condemned, &account.trace);
                if let Some(event) = event {
                    self.event(&Subject::of(&condemned), event);
                }
                self.ended(&condemned, &account);
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
            Ok(Report::Complained { subject, event }) => self.event(&subject, event),
            Ok(Report::Labels { name, labels }) => self.labelled(name, labels),
            Ok(Report::TakenBack {
                condemned,
                undone,
                trace,
            }) => {
                self.trace(&condemned, &trace);
                let (namespace, pod) = (&condemned.namespace, &condemned.name);
                match undone {
                    Undone::Clear => info!(%namespace, %pod, "the condition was taken back"),
                    Undone::Written => {}
                    Undone::Standing => {
                        warn!(%namespace, %pod, "the condition could not be taken back");
                    }
                }
                let now = self.clock.now();
                self.docket.taken_back(&condemned.uid, undone, now);
                let line = Line::Undone {
                    namespace,
                    pod,
                    uid: &condemned.uid,
                    undone: undone.as_str(),
                };
                self.write_line(now, &line);
            }
            Err(error) => warn!(%error, "a report ended unexpectedly"),
        }
        self.unsaved = true;
        self.head_log();
        self.save();
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

    fn trace(&mut self, condemned: &Condemned, trace: &[Trace]) {
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
        self.docket.ended(uid, key, outcome, marked, now);
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
        if !self.docket.latest.contains_key(uid) {
            // It left while the report was under way.
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

/// A Pod that is not condemned, where only its name matters.
fn nobody(uid: &str, namespace: &str, name: &str) -> Condemned {
    Condemned {
        uid: uid.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        image: String::new(),
        cause: Cause::Unrecognised,
        failures: 0,
        lasting: std::time::Duration::ZERO,
        error: String::new(),
        enforce: true,
        spare_if_present: false,
        second_opinion: false,
        opinion: None,
    }
}
