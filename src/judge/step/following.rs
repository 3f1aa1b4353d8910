//! Consequences of a verdict, and of the result of a report.

use super::started;
use crate::fleet::Closed;
use crate::judge::brakes::{fleet, stopped};
use crate::judge::verdict::progress::teaches;
use crate::judge::{
    Because, Decision, Effect, Ending, FailRequest, Hold, Judge, Latest, Moment, Note, Outcome,
    PodId, PodView, Reason, Stage, Undone, Verdict, Wishes,
};

impl Judge {
    /// Keeps a verdict on a Pod. What follows from it is added to `effects`.
    pub(super) fn follow(
        &mut self,
        view: &PodView,
        verdict: Verdict,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let uid = &view.uid;
        let before = self.verdict(uid);
        let is_news =
            verdict.observed.changed || before.is_none_or(|before| !before.is_like(&verdict));
        if is_news {
            self.note(view, &verdict, effects);
        }
        match &verdict.decision {
            Decision::Settle if verdict.reasons.contains(&Reason::NotPending) => {
                self.left(uid, Some(view), now, effects);
            }
            Decision::Settle => {
                self.ledger.mark_over(uid);
                self.latest.remove(uid);
                if view.too_large && self.too_large.insert(uid.clone()) {
                    let pod = view.id();
                    effects.push(Effect::Note(Note::TooLarge { pod }));
                }
                let texts: Vec<String> = verdict.reasons.iter().map(Reason::to_string).collect();
                effects.push(Effect::Rest {
                    uid: uid.clone(),
                    why: texts.join("; "),
                });
                self.settled.insert(uid.clone(), verdict);
            }
            Decision::Wait | Decision::Hold | Decision::Fail(_) => {
                self.go_on(view, verdict, now, effects);
            }
        }
    }

    fn go_on(&mut self, view: &PodView, verdict: Verdict, now: Moment, effects: &mut Vec<Effect>) {
        let uid = &view.uid;
        effects.push(Effect::Watch { uid: uid.clone() });
        self.settled.remove(uid);
        self.is_back(view, now);
        if !verdict.observed.healed.is_empty() {
            self.ledger.mark_over(uid);
        }
        effects.extend(self.complain(view));
        if let Decision::Fail(request) = &verdict.decision {
            self.report(view, request, now);
            effects.push(Effect::Report(request.clone()));
        }
        let before = self.latest.get(uid);
        let latest = Latest::new(view.clone(), verdict, now, before);
        self.latest.insert(uid.clone(), latest);
    }

    fn report(&mut self, view: &PodView, request: &FailRequest, now: Moment) {
        let stage = match request.enforce {
            true => Stage::Writing,
            false => Stage::Announced,
        };
        self.ledger.set_stage(&view.uid, stage);
        let of = (&*request.image, request.cause);
        self.brake.spend(view, of, request.known_bad, now);
        self.reports.insert(view.uid.clone(), request.clone());
    }

    /// The Pod is there, whatever was seen of it before.
    fn is_back(&mut self, view: &PodView, now: Moment) {
        self.gone.remove(&view.uid);
        if view.ending
            && !matches!(
                self.stage(&view.uid),
                Some(Stage::Written(_) | Stage::Writing)
            )
        {
            // An earlier run has written it, and has not followed it to its end.
            self.ledger.set_stage(&view.uid, Stage::Written(now));
        }
    }

    /// Takes up the result of a report.
    pub(super) fn reported(
        &mut self,
        pod: &PodId,
        image: &str,
        ending: &Ending,
        marked: Option<bool>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let request = self.reports.remove(&pod.uid).map(Box::new);
        let record = self.ledger.pod(&pod.uid);
        let since = record.and_then(|record| record.images.get(image)?.failing_since());
        let after = since.map(|since| now.since(since));
        self.ended(&pod.uid, image, ending.outcome, marked, now);
        if ending.outcome == Outcome::Denied {
            let refusal = ending.refusal.as_deref();
            self.ledger.note_denied(&pod.uid, image, refusal, now);
        }
        if ending.outcome == Outcome::Fleet {
            self.closed(&pod.uid, &ending.closed, now);
        }
        if let Some(stopped) = self.stopped(ending, now)
            && let Some(latest) = self.latest.get_mut(&pod.uid)
        {
            latest.held_by(vec![Reason::Held(stopped)], now);
        }
        effects.push(Effect::Note(Note::Ended {
            pod: pod.clone(),
            request,
            image: image.to_owned(),
            ending: ending.clone(),
            marked: self.ledger.is_marked(&pod.uid),
            after,
        }));
        // Of a Pod that was deleted or replaced evidence still tells: a late view of it would count anew.
        if self.gone.remove(&pod.uid) {
            self.left(&pod.uid, None, now, effects);
        }
    }

    /// Takes up whether a report found that the agent may write to no Pod. Returns the hold of its Pod.
    fn stopped(&mut self, ending: &Ending, now: Moment) -> Option<Hold> {
        let memory = &mut self.brake.memory.stopped;
        match ending.outcome {
            Outcome::Unguarded | Outcome::Off => {
                let by_switch = ending.outcome == Outcome::Off;
                stopped::hold(memory.note(by_switch, &ending.detail, now), now)
            }
            // These reports had the proof, and got past the kill switch or were not due to meet it.
            Outcome::Written | Outcome::Denied | Outcome::Fleet => {
                memory.clear();
                None
            }
            _ => None,
        }
    }

    fn ended(
        &mut self,
        uid: &str,
        image: &str,
        outcome: Outcome,
        marked: Option<bool>,
        now: Moment,
    ) {
        let stage = match outcome {
            Outcome::Written => Stage::Written(now),
            Outcome::Due => Stage::Announced,
            _ => Stage::Watching,
        };
        self.ledger.set_stage(uid, stage);
        match marked {
            _ if outcome == Outcome::Written => {
                self.brake.memory.fleet.is_usable();
                self.ledger.unmark(uid);
                self.learn(uid, image, now);
            }
            Some(true) => self.mark(uid, image),
            Some(false) => self.ledger.unmark(uid),
            None => {}
        }
        if outcome != Outcome::Written {
            self.ledger.postpone(uid, image, now);
        }
        let because = match outcome {
            Outcome::Due => Some(Because::Observing),
            Outcome::Fleet | Outcome::Unguarded | Outcome::Off => Some(Because::Held),
            Outcome::SparedByRuntime
            | Outcome::MovedOn
            | Outcome::Refused
            | Outcome::Barred
            | Outcome::Denied => Some(Because::Spared),
            // It is clear what became of these.
            Outcome::Written | Outcome::Spared | Outcome::Gone => None,
        };
        if let Some(because) = because {
            self.ledger.note_due(uid, image, because);
        }
        if outcome == Outcome::SparedByRuntime {
            self.ledger.note_spared(uid, image);
        }
        if matches!(outcome, Outcome::SparedByRuntime | Outcome::MovedOn) {
            self.ledger.known_bad.pulled(image);
        }
        let failed_nobody = outcome.stops_all()
            || matches!(
                outcome,
                Outcome::Refused | Outcome::Barred | Outcome::Denied | Outcome::Fleet
            );
        if failed_nobody
            && !self.ledger.is_marked(uid)
            && let Some(latest) = self.latest.get(uid)
        {
            self.brake.refund(&latest.view, image);
        }
    }

    /// The fleet budget has no place for a Pod. It holds the Pod, and others that need the same place.
    fn closed(&mut self, uid: &str, closed: &[Closed], now: Moment) {
        if closed.is_empty() {
            return;
        }
        self.brake.memory.fleet.note(closed, now);
        if let Some(latest) = self.latest.get_mut(uid) {
            let holds = closed.iter().map(fleet::hold);
            latest.held_by(holds.map(Reason::Held).collect(), now);
        }
    }

    /// A Pod was failed for an image: it is known to be bad for the owner's other Pods, unless time may
    /// mend it.
    fn learn(&mut self, uid: &str, image: &str, now: Moment) {
        let Some(view) = self.latest.get(uid).map(|latest| &latest.view) else {
            return;
        };
        let record = self.ledger.pod(uid).and_then(|pod| pod.images.get(image));
        if let Some(of) =
            record.and_then(|record| teaches(&self.policy, view, (image, record), now))
        {
            self.ledger.known_bad.learn(view, image, of, now);
        }
    }

    /// A condition of ours may stand on a Pod that something is known of, because of this image.
    fn mark(&mut self, uid: &str, image: &str) {
        if let Some(record) = self.ledger.pod(uid) {
            let (namespace, name) = (record.namespace.clone(), record.name.clone());
            self.ledger.unmark(uid);
            self.ledger.mark(uid, &namespace, &name);
        }
        let latest = self.latest.get(uid);
        let mut containers = latest
            .into_iter()
            .flat_map(|latest| &latest.view.containers);
        if !containers.any(|container| container.image == image && !container.is_past_pull()) {
            self.ledger.mark_over(uid);
        }
    }

    /// Takes up the result of a try to revert our conditions. If a new report has begun meanwhile, its
    /// result counts.
    pub(super) fn reverted(
        &mut self,
        pod: &PodId,
        undone: Undone,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::Note(Note::Reverted {
            pod: pod.clone(),
            undone,
        }));
        let (uid, stage) = (&pod.uid, self.stage(&pod.uid));
        if stage == Some(Stage::Writing) {
            return;
        }
        match undone {
            Undone::Clear => self.ledger.unmark(uid),
            Undone::Written => {
                self.ledger.unmark(uid);
                if !matches!(stage, Some(Stage::Written(_))) {
                    self.ledger.set_stage(uid, Stage::Written(now));
                }
            }
            Undone::Standing => self.ledger.mark(uid, &pod.namespace, &pod.name),
        }
    }

    /// The author of a Pod whose pulls fail is told, once, of annotations that cannot be read.
    fn complain(&mut self, view: &PodView) -> Option<Effect> {
        let complaints = Wishes::of(&view.annotations).complaints;
        let record = self.ledger.pod(&view.uid)?;
        let is_failing = record.images.values().any(|image| image.last.is_some());
        if complaints.is_empty() || !is_failing || !self.ledger.note_told(&view.uid) {
            return None;
        }
        let pod = view.id();
        Some(Effect::TellAuthor { pod, complaints })
    }

    fn note(&self, view: &PodView, verdict: &Verdict, effects: &mut Vec<Effect>) {
        let observed = &verdict.observed;
        let failed = observed.failed.iter().map(|image| (image, false));
        let inferred = observed.inferred.iter().map(|image| (image, true));
        let failures = failed.chain(inferred);
        let failures =
            failures.filter_map(|(image, inferred)| self.pull_failed(view, image, inferred));
        effects.extend(failures.map(Effect::Note));
        effects.extend(observed.healed.iter().map(|image| {
            Effect::Note(Note::Healed {
                pod: view.id(),
                image: image.clone(),
            })
        }));
        let after_all = observed.started.iter();
        effects.extend(after_all.map(|(image, because)| started(view.id(), image, *because)));
        effects.push(Effect::Note(Note::Verdict {
            pod: view.id(),
            verdict: Box::new(verdict.clone()),
        }));
    }

    fn pull_failed(&self, view: &PodView, image: &str, inferred: bool) -> Option<Note> {
        let record = self.ledger.pod(&view.uid)?.images.get(image)?;
        let last = record.last.as_ref()?;
        Some(Note::PullFailed {
            pod: view.id(),
            image: image.to_owned(),
            cause: last.cause,
            failures: record.failures,
            inferred,
            error: last.message.clone(),
        })
    }
}
