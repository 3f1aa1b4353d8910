//! What follows from a verdict.

use super::step::started;
use super::{
    Decision, Effect, Judge, Latest, Moment, Note, PodId, PodView, Reason, Verdict, Wishes,
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
        let before = self.latest.get(uid).map(|latest| &latest.verdict);
        let before = before.or_else(|| self.settled.get(uid));
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
                    let pod = PodId::of(view);
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

    /// The author of a Pod whose pulls fail is told, once, of annotations that cannot be read.
    fn complain(&mut self, view: &PodView) -> Option<Effect> {
        let complaints = Wishes::of(&view.annotations).complaints;
        let record = self.ledger.pod(&view.uid)?;
        let is_failing = record.images.values().any(|image| image.last.is_some());
        if complaints.is_empty() || !is_failing || !self.ledger.note_told(&view.uid) {
            return None;
        }
        let pod = PodId::of(view);
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
                pod: PodId::of(view),
                image: image.clone(),
            })
        }));
        let after_all = observed.started.iter();
        effects.extend(after_all.map(|(image, because)| started(PodId::of(view), image, *because)));
        effects.push(Effect::Note(Note::Verdict {
            pod: PodId::of(view),
            verdict: Box::new(verdict.clone()),
        }));
    }

    fn pull_failed(&self, view: &PodView, image: &str, inferred: bool) -> Option<Note> {
        let record = self.ledger.pod(&view.uid)?.images.get(image)?;
        let last = record.last.as_ref()?;
        Some(Note::PullFailed {
            pod: PodId::of(view),
            image: image.to_owned(),
            cause: last.cause,
            failures: record.failures,
            inferred,
            error: last.message.clone(),
        })
    }
}
