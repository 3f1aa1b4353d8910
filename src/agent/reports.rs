use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::task::JoinError;
use tracing::{info, warn};

use super::Agent;
use crate::evidence::ApiServer;
use crate::judge::{
    Action, Because, Cause, Complaint, Condemned, ImageRecord, Moment, PodView, Reason, Shown,
    Source, Stage,
};
use crate::metrics::ByStep;
use crate::report::{
    self, Aftermath, Asked, Ending, Event, Line, Subject, Trace, Undone, Unguarded,
};

/// What became of one report.
#[derive(Debug)]
pub(super) enum Report {
    /// A condemned Pod: failed, or announced where only observing.
    Condemned {
        condemned: Box<Condemned>,
        ending: Ending,
        /// Whether the condition may be standing.
        marked: bool,
        trace: Vec<Trace>,
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
    pub(super) fn report(&mut self, condemned: Condemned, view: &PodView, now: Moment) {
        let stage = if condemned.enforce {
            Stage::Writing
        } else {
            Stage::Announced
        };
        self.ledger.set_stage(&condemned.uid, stage);
        self.brake.spend(view, &condemned.image, now);
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
            let (ending, marked, trace) = match asked {
                Asked::Spared(reason) => (Ending::Spared(reason), false, Vec::new()),
                Asked::NoAnswer(why) => (Ending::Failed(why), false, Vec::new()),
                Asked::Due => match api.client().await {
                    Err(why) => (Ending::Failed(why), false, Vec::new()),
                    Ok(client) if condemned.enforce => match guard.make_sure(client).await {
                        Ok(()) => report::fail(client, &condemned, &policy, at).await,
                        Err(Unguarded::Open(why)) => (Ending::Denied(why), false, Vec::new()),
                        Err(Unguarded::Unknown(why)) => (Ending::Failed(why), false, Vec::new()),
                    },
                    Ok(client) => report::look(client, &condemned, &policy).await,
                },
            };
            let event = match (&ending, policy.action) {
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
                ending,
                marked,
                trace,
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

    /// The Pod got past its pull: if our condition stands on it, it is not true any more.
    pub(super) fn take_back_if_marked(&mut self, view: &PodView) {
        let stage = self.ledger.pod(&view.uid).map(|record| record.stage);
        if stage == Some(Stage::Marked) && !view.ending {
            self.ledger.set_stage(&view.uid, Stage::Watching);
            // The kubelet learns of the condition only after a while; before it is taken back the Pod is read afresh anyway.
            if view.marked || view.source == Source::Kubelet {
                self.take_back(&view.uid, &view.namespace, &view.name);
            }
        }
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
                ending,
                marked,
                trace,
                event,
            }) => {
                self.trace(&condemned, &trace);
                if let Some(event) = event {
                    self.event(&Subject::of(&condemned), event);
                }
                self.ended(&condemned, &ending, marked);
            }
            Ok(Report::Aftermath {
                condemned,
                because,
                aftermath,
                trace,
            }) => {
                self.trace(&condemned, &trace);
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
                let stage = match undone {
                    Undone::Clear => {
                        info!(%namespace, %pod, "the condition was taken back");
                        Stage::Watching
                    }
                    Undone::Written => Stage::Written(self.clock.now()),
                    Undone::Standing => {
                        warn!(%namespace, %pod, "the condition could not be taken back");
                        Stage::Marked
                    }
                };
                let record = self.ledger.pod(&condemned.uid);
                // A new report may have begun meanwhile; then what it says counts.
                if record.is_some_and(|record| record.stage == Stage::Watching) {
                    self.ledger.set_stage(&condemned.uid, stage);
                }
            }
            Err(error) => warn!(%error, "a report ended unexpectedly"),
        }
        self.unsaved = true;
        self.save();
    }

    fn count_failed(&self, condemned: &Condemned, now: Moment) {
        let cause = condemned.cause.into();
        self.metrics.failed.get_or_create(&cause).inc();
        let record = self.ledger.pod(&condemned.uid);
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
        self.write_line(&Line::Write {
            namespace: &subject.namespace,
            pod: &subject.name,
            uid: &subject.uid,
            step,
            result,
        });
    }

    fn ended(&mut self, condemned: &Condemned, ending: &Ending, marked: bool) {
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
        let stage = match ending {
            Ending::Written => {
                info!(%namespace, %pod, %image, %cause, failures, "Pod failed, the kubelet is ending it");
                let now = self.clock.now();
                self.count_failed(condemned, now);
                Stage::Written(now)
            }
            Ending::Due => {
                info!(%namespace, %pod, %image, %cause, failures, "would fail the Pod (observing only)");
                Stage::Announced
            }
            Ending::Spared(_) | Ending::Gone => {
                info!(%namespace, %pod, %image, why = detail, "Pod spared");
                Stage::Watching
            }
            Ending::Denied(_) => {
                warn!(%namespace, %pod, %image, error = detail, "failing the Pod is not allowed");
                Stage::Watching
            }
            Ending::Failed(_) => {
                warn!(%namespace, %pod, %image, error = detail, "the Pod could not be failed, left for its next failure");
                Stage::Watching
            }
        };
        let stage = match stage {
            Stage::Watching if marked => Stage::Marked,
            other => other,
        };
        self.ledger.set_stage(uid, stage);
        if !matches!(ending, Ending::Written) {
            self.ledger.postpone(uid, key, self.clock.now());
        }
        let by_runtime = |reason: &Reason| {
            matches!(
                reason,
                Reason::OnNode { .. }
                    | Reason::PulledByRuntime { .. }
                    | Reason::StillPulling { .. }
            )
        };
        let by_itself = |reason: &Reason| {
            matches!(
                reason,
                Reason::NotPending
                    | Reason::NotWaitingForImage { .. }
                    | Reason::NoFailureYet { .. }
            )
        };
        let because = match ending {
            Ending::Due => Some(Because::Observing),
            Ending::Denied(_) | Ending::Failed(_) => Some(Because::Spared),
            Ending::Spared(reason) if by_runtime(reason) || by_itself(reason) => {
                Some(Because::Spared)
            }
            // It is clear what became of these.
            Ending::Written | Ending::Gone | Ending::Spared(_) => None,
        };
        if let Some(because) = because {
            self.ledger.note_due(uid, key, because);
        }
        if matches!(ending, Ending::Spared(reason) if by_runtime(reason)) {
            self.ledger.note_spared(uid, key);
        }
        self.write_line(&Line::Report {
            namespace,
            pod,
            uid,
            ending: ending.as_str(),
            detail,
        });
        // Of a Pod that was deleted or replaced evidence still tells: forgotten before that, a late view of it would count anew.
        if !self.latest.contains_key(uid) {
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
