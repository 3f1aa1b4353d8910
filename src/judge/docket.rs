use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{
    Because, BrakeMemory, BrakeRules, Brakes, Condemned, Decision, Latest, Ledger, Mark, Moment,
    Outcome, PodRecord, PodView, Policy, Reason, Stage, Undone, Verdict, judge,
};

/// All that is judged on one node, and what follows for it from each thing that happens. The agent drives it with what it sees, a replay
/// with what the node's log has.
#[derive(Clone, Debug)]
pub struct Docket {
    /// What was counted.
    pub ledger: Ledger,
    /// What holds verdicts back.
    pub brake: Brakes,
    /// The newest view of each Pod that is being judged.
    pub latest: BTreeMap<String, Latest>,
    /// The last verdict on each Pod that has nothing to judge for now.
    settled: BTreeMap<String, Verdict>,
    /// The Pods that left while the report on them was under way.
    gone: BTreeSet<String>,
}

/// What is kept of an earlier run.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Whether it was on this boot.
    pub same_boot: bool,
    /// Until when it would have watched only.
    pub warm_up_until: Moment,
    /// What its brake remembered.
    pub memory: BrakeMemory,
    /// What it had counted.
    pub ledger: Ledger,
}

/// A verdict, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it is another one than the one before, or was given on something new.
    pub news: bool,
    /// What is to be done.
    pub then: Then,
}

/// What is to be done after a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing: the view was an old one.
    Nothing,
    /// The Pod is not Pending: it has left.
    Leave,
    /// There is nothing to judge for now.
    LookAway,
    /// It is judged on.
    GoOn,
    /// It is to be reported; that it is, is noted.
    Report(Box<Condemned>),
}

impl Docket {
    /// A first start on a boot, with nothing known.
    pub fn new(rules: BrakeRules, warm_up: Duration, now: Moment) -> Self {
        Self {
            ledger: Ledger::default(),
            brake: Brakes {
                warm_up_until: now.after(warm_up),
                rules,
                memory: BrakeMemory::default(),
            },
            latest: BTreeMap::new(),
            settled: BTreeMap::new(),
            gone: BTreeSet::new(),
        }
    }

    /// Takes up what an earlier run has left.
    pub fn take_up(&mut self, kept: Kept, now: Moment) {
        self.ledger = kept.ledger;
        self.brake.memory = kept.memory;
        self.ledger.restarted();
        if kept.same_boot {
            self.warm_up_no_longer_than(kept.warm_up_until);
        } else {
            self.ledger.rebooted(now);
            self.brake.rebooted(now);
        }
    }

    /// A shorter warm-up in the configuration takes effect at once, a longer one at the next boot.
    pub fn warm_up_no_longer_than(&mut self, until: Moment) {
        self.brake.warm_up_until = self.brake.warm_up_until.min(until);
    }

    /// The rules of the brake are others from now on.
    pub fn reconfigure(&mut self, rules: BrakeRules, warm_up: Duration, now: Moment) {
        self.brake.rules = rules;
        self.warm_up_no_longer_than(now.after(warm_up));
    }

    /// Judges one Pod.
    pub fn judge(&mut self, policy: &Policy, view: &PodView, now: Moment) -> Judged {
        let verdict = judge(&mut self.ledger, &mut self.brake, policy, view, now);
        let mut judged = Judged {
            news: false,
            then: Then::Nothing,
            verdict,
        };
        let verdict = &judged.verdict;
        if verdict.observed.stale {
            return judged;
        }
        let uid = &view.uid;
        self.adopt(policy, view);
        let before = self.latest.get(uid).map(|latest| &latest.verdict);
        let before = before.or_else(|| self.settled.get(uid));
        judged.news =
            verdict.observed.changed || before.is_none_or(|before| !before.is_like(verdict));
        match &verdict.decision {
            Decision::Settle if verdict.reasons.contains(&Reason::NotPending) => {
                judged.then = Then::Leave;
                return judged;
            }
            Decision::Settle => {
                self.ledger.mark_over(uid);
                self.latest.remove(uid);
                self.settled.insert(uid.clone(), verdict.clone());
                judged.then = Then::LookAway;
                return judged;
            }
            Decision::Wait | Decision::Hold | Decision::Condemn(_) => judged.then = Then::GoOn,
        }
        self.settled.remove(uid);
        self.gone.remove(uid);
        if view.ending {
            self.written_before(uid, now);
        }
        if !verdict.observed.healed.is_empty() {
            self.ledger.mark_over(uid);
        }
        if let Decision::Condemn(condemned) = &verdict.decision {
            let stage = match condemned.enforce {
                true => Stage::Writing,
                false => Stage::Announced,
            };
            self.ledger.set_stage(uid, stage);
            self.brake.spend(view, &condemned.image, now);
            judged.then = Then::Report(condemned.clone());
        }
        let before = self.latest.get(uid);
        let latest = Latest::new(view.clone(), judged.verdict.clone(), now, before);
        self.latest.insert(uid.clone(), latest);
        judged
    }

    /// Whether an image of a Pod that is being judged fails at present.
    pub fn is_any_failing(&self) -> bool {
        let records = self.latest.keys().filter_map(|uid| self.ledger.pod(uid));
        let mut images = records.flat_map(|record| record.images.values());
        images.any(|image| image.last.is_some())
    }

    /// The Pods with a reason that stands: only these are decided by the clock, and are to be judged again as it goes on.
    pub fn standing(&self) -> Vec<PodView> {
        let stands = |uid: &str| {
            let images = self.ledger.pod(uid).map(|record| record.images.values());
            images.is_some_and(|mut images| images.any(|image| image.standing.is_some()))
        };
        self.views(|view| stands(&view.uid))
    }

    /// The views of these of the Pods that are being judged.
    pub fn views(&self, which: impl Fn(&PodView) -> bool) -> Vec<PodView> {
        let views = self.latest.values().map(|latest| &latest.view);
        views.filter(|view| which(view)).cloned().collect()
    }

    /// An image has come to the node: at that moment, or at an unknown one since the node was started.
    pub fn arrived(&mut self, image: &str, at: Option<Moment>) {
        self.brake.memory.registries.pulled(image, at);
        if at.is_some() {
            self.ledger.pulled_by_another(image, "");
        }
    }

    /// The report on a Pod has ended; `marked` tells whether our condition may be standing, `None` that the report has not found out.
    /// True if the Pod has left meanwhile.
    pub fn ended(
        &mut self,
        uid: &str,
        image: &str,
        outcome: Outcome,
        marked: Option<bool>,
        now: Moment,
    ) -> bool {
        let stage = match outcome {
            Outcome::Written => Stage::Written(now),
            Outcome::Due => Stage::Announced,
            _ => Stage::Watching,
        };
        self.ledger.set_stage(uid, stage);
        match marked {
            _ if outcome == Outcome::Written => self.ledger.unmark(uid),
            Some(true) => self.mark(uid, image),
            Some(false) => self.ledger.unmark(uid),
            None => {}
        }
        if outcome != Outcome::Written {
            self.ledger.postpone(uid, image, now);
        }
        let because = match outcome {
            Outcome::Due => Some(Because::Observing),
            Outcome::SparedByRuntime | Outcome::MovedOn | Outcome::Refused | Outcome::Denied => {
                Some(Because::Spared)
            }
            // It is clear what became of these.
            Outcome::Written | Outcome::Spared | Outcome::Gone => None,
        };
        if let Some(because) = because {
            self.ledger.note_due(uid, image, because);
        }
        if outcome == Outcome::SparedByRuntime {
            self.ledger.note_spared(uid, image);
        }
        let failed_nobody = matches!(outcome, Outcome::Refused | Outcome::Denied);
        if failed_nobody && !self.ledger.is_marked(uid) {
            self.brake.refund(uid, image);
        }
        if outcome == Outcome::Denied {
            self.ledger.note_denied(uid, image, now);
        }
        self.gone.remove(uid)
    }

    /// No report is under way: one that ended without a word may have written the condition.
    pub fn no_report(&mut self) {
        self.ledger.restarted();
        self.gone.clear();
    }

    /// Takes up what the revert of a Pod's condition came to. If a new report has begun meanwhile, its result counts.
    pub fn taken_back(&mut self, uid: &str, undone: Undone, now: Moment) {
        let stage = self.stage(uid);
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
            Undone::Standing => {}
        }
    }

    /// Notes that our condition is not true any more on Pods that are not judged: no later failure completes the writes there.
    pub fn unnamed_is_over(&mut self) {
        let marks = self.ledger.marks().map(|(uid, _)| uid);
        let unnamed = marks.filter(|uid| !self.latest.contains_key(*uid));
        let unnamed: Vec<String> = unnamed.map(str::to_owned).collect();
        for uid in unnamed {
            self.ledger.mark_over(&uid);
        }
    }

    /// The Pods whose condition is to be reverted: it may stand, and is not true any more. Not those whose report is under way.
    pub fn to_take_back(&self) -> Vec<(String, Mark)> {
        let is_due = |uid: &str, mark: &Mark| {
            mark.over && !matches!(self.stage(uid), Some(Stage::Writing | Stage::Written(_)))
        };
        let due = self.ledger.marks().filter(|(uid, mark)| is_due(uid, mark));
        due.map(|(uid, mark)| (uid.to_owned(), mark.clone()))
            .collect()
    }

    /// A Pod is not Pending any more, or gone: what was known of it. `None` if nothing was, or if the report on it is under way: that
    /// will find out, and its end forgets the Pod.
    pub fn left(&mut self, uid: &str) -> Option<PodRecord> {
        if self.stage(uid) == Some(Stage::Writing) {
            self.gone.insert(uid.to_owned());
            return None;
        }
        self.latest.remove(uid);
        self.settled.remove(uid);
        match self.stage(uid)? {
            Stage::Writing => {}
            Stage::Written(_) => self.ledger.unmark(uid),
            Stage::Watching | Stage::Announced => self.ledger.mark_over(uid),
        }
        self.ledger.forget(uid)
    }

    /// Marks a Pod that shows our condition. This run of the agent has written it, or an earlier one whose state is lost. A Pod that the
    /// configuration excludes is left alone.
    pub fn adopt(&mut self, policy: &Policy, view: &PodView) {
        let is_ours = view.node == policy.node && !view.mirror && !policy.excludes(&view.namespace);
        if view.marked && !view.ending && is_ours {
            self.ledger.mark(&view.uid, &view.namespace, &view.name);
        }
    }

    /// Forgets a Pod, whatever became of it. Its mark stays.
    pub fn forget(&mut self, uid: &str) {
        self.ledger.forget(uid);
        self.latest.remove(uid);
        self.settled.remove(uid);
    }

    /// Forgets the verdicts on Pods that have nothing to judge: the next one on each is news.
    pub fn forget_settled(&mut self) {
        self.settled.clear();
    }

    fn stage(&self, uid: &str) -> Option<Stage> {
        self.ledger.pod(uid).map(|record| record.stage)
    }

    /// Our condition may stand on a Pod that something is known of, because of this image.
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

    /// A Pod that an earlier run has written to and not followed to its end.
    fn written_before(&mut self, uid: &str, now: Moment) {
        if !matches!(self.stage(uid), Some(Stage::Written(_) | Stage::Writing)) {
            self.ledger.set_stage(uid, Stage::Written(now));
        }
    }
}
