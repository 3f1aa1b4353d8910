use tokio::task::JoinError;
use tracing::{info, warn};

use super::Agent;
use crate::judge::{Cause, Condemned, Moment, PodView, Shown, Stage};
use crate::metrics::ByStep;
use crate::report::{self, Ending, Event, Line, Trace, Undone};

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
        let Some(client) = self.client.clone() else {
            return;
        };
        let stage = if condemned.enforce {
            Stage::Writing
        } else {
            Stage::Announced
        };
        self.ledger.set_stage(&condemned.uid, stage);
        self.brake.spend(view, now);
        self.metrics
            .condemned
            .get_or_create(&condemned.cause.into())
            .inc();
        self.unsaved = true;
        self.save();

        let policy = self.config.policy.clone();
        let at = self.clock.wall();
        let condemned = Box::new(condemned);
        self.reports.spawn(async move {
            let (ending, marked, trace) = if condemned.enforce {
                report::fail(&client, &condemned, &policy, at).await
            } else {
                report::look(&client, &condemned, &policy).await
            };
            let event = match (&ending, condemned.enforce) {
                (Ending::Written, true) => Some(Event::Failed),
                (Ending::Due, false) => Some(Event::WouldFail),
                _ => None,
            };
            let event = match event {
                Some(event) => {
                    Some(report::announce(&client, &condemned, &policy.node, event, at).await)
                }
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

    /// The Pod got past its pull: if our condition stands on it, it is not true any more.
    pub(super) fn take_back_if_marked(&mut self, view: &PodView) {
        let stage = self.ledger.pod(&view.uid).map(|record| record.stage);
        if stage == Some(Stage::Marked) && !view.ending {
            self.ledger.set_stage(&view.uid, Stage::Watching);
            if view.marked {
                self.take_back(&view.uid, &view.namespace, &view.name);
            }
        }
    }

    pub(super) fn take_back(&mut self, uid: &str, namespace: &str, name: &str) {
        let Some(client) = self.client.clone() else {
            return;
        };
        let condemned = Box::new(Condemned {
            uid: uid.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            image: String::new(),
            cause: Cause::Unrecognised,
            failures: 0,
            lasting: std::time::Duration::ZERO,
            error: String::new(),
            enforce: true,
        });
        let at = self.clock.wall();
        self.reports.spawn(async move {
            let (undone, trace) = report::take_back(&client, &condemned, at).await;
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
                self.event(&condemned, event);
                self.ended(&condemned, &ending, marked);
            }
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

    fn trace(&mut self, condemned: &Condemned, trace: &[Trace]) {
        for Trace { step, result } in trace {
            let ok = result == "ok";
            self.metrics
                .writes
                .get_or_create(&ByStep::new(*step, ok))
                .inc();
            self.write_step(condemned, step.as_str(), result);
        }
    }

    fn event(&mut self, condemned: &Condemned, event: Option<Result<(), String>>) {
        let Some(event) = event else { return };
        let (namespace, pod) = (&condemned.namespace, &condemned.name);
        if let Err(error) = &event {
            warn!(%namespace, %pod, %error, "the Event could not be written");
        }
        self.metrics
            .writes
            .get_or_create(&ByStep::event(event.is_ok()))
            .inc();
        let result = event.as_ref().err().map_or("ok", String::as_str);
        self.write_step(condemned, "event", result);
    }

    fn write_step(&mut self, condemned: &Condemned, step: &str, result: &str) {
        self.write_line(&Line::Write {
            namespace: &condemned.namespace,
            pod: &condemned.name,
            uid: &condemned.uid,
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
                Stage::Written(self.clock.now())
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
            self.left(uid);
        }
    }
}
