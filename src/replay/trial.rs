use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::case::{Case, Sentence};
use super::record::{Head, Record, Said, What};
use super::tally::Tally;
use crate::config::{Config, Faults};
use crate::judge::{
    Condemned, Decision, Docket, Judged, Kept, Latest, Moment, Observed, Outcome, PodView, Reason,
    Then, Verdict,
};

/// One policy, judged by over the record of one node.
#[derive(Debug)]
pub(super) struct Trial {
    /// The policy's name.
    pub(super) name: String,
    /// The policy; `None` for the one that was in force.
    given: Option<Config>,
    court: Option<Court>,
    /// The notable Pods that have not left.
    pub(super) cases: BTreeMap<String, Case>,
    /// What was counted.
    pub(super) tally: Tally,
    /// Where the verdicts are not what the record says.
    pub(super) disagreements: Vec<String>,
    /// The verdicts that the record should have next.
    expected: VecDeque<Expected>,
    /// The Pods whose verdict before the record's beginning is not known: whether their next one is news is not either.
    unsure: BTreeSet<String>,
}

/// A verdict that the record should have; or may have, if that is not known.
#[derive(Debug)]
struct Expected {
    said: Said,
    is_sure: bool,
}

/// What is judged by, and what is known.
#[derive(Debug)]
struct Court {
    config: Config,
    docket: Docket,
    boot: String,
    /// The Pods that were condemned by the last line: whether the record condemns them too is told by the next ones.
    open: Vec<(Condemned, Moment)>,
    /// When the clock may decide about a Pod whose reason stands.
    wakes: BTreeMap<String, Moment>,
    last: Moment,
}

/// So many disagreements are told one by one.
const TOLD: usize = 20;

impl Trial {
    pub(super) fn of(name: &str, given: Option<Config>) -> Self {
        Self {
            name: name.to_owned(),
            given,
            court: None,
            cases: BTreeMap::new(),
            tally: Tally::of(name),
            disagreements: Vec::new(),
            expected: VecDeque::new(),
            unsure: BTreeSet::new(),
        }
    }

    /// How many Pods something is kept of.
    pub(super) fn kept(&self) -> usize {
        let court = self.court.as_ref();
        let court = court.map_or(0, |court| {
            court.docket.ledger.pods().count()
                + court.docket.latest.len()
                + court.wakes.len()
                + court.open.len()
        });
        court + self.cases.len() + self.expected.len() + self.unsure.len()
    }

    /// Whether there is a policy to judge by yet.
    pub(super) fn is_judging(&self) -> bool {
        self.court.is_some()
    }

    /// Takes up one line of the record.
    ///
    /// # Errors
    /// If the configuration that was in force cannot be read.
    pub(super) fn take(&mut self, record: &Record) -> Result<(), Faults> {
        let &Record { time, at, .. } = record;
        match &record.what {
            What::Told | What::Aftermath { .. } => return Ok(()),
            What::Verdict(said) => {
                self.compare(said, time);
                return Ok(());
            }
            What::Start(head) => return self.start(head, at),
            What::Continued(head) => return self.go_on(head, at),
            _ => {}
        }
        self.close_open();
        self.miss(time);
        if let Some(ticked) = record.ticked {
            self.run_clock(ticked, time, at);
        }
        let Some(court) = &mut self.court else {
            return Ok(());
        };
        court.last = at;
        match &record.what {
            What::Configuration(config) => {
                if self.given.is_none() {
                    let mut config = match Config::judged_by(config.clone()) {
                        Ok(config) => config,
                        Err(faults) => {
                            self.court = None;
                            return Err(faults);
                        }
                    };
                    let policy =
                        std::mem::replace(&mut court.config, Config::clone(&config)).policy;
                    config.policy.node = policy.node;
                    config.policy.namespace_labels = policy.namespace_labels;
                    court.docket.reconfigure(config.brake, config.warm_up, at);
                    court.config = config;
                    let views = court.docket.views(|_| true);
                    self.judge(views, time, at);
                }
            }
            What::Labels {
                namespace,
                namespaces,
            } => {
                court.config.policy.namespace_labels.clone_from(namespaces);
                let views = court.docket.views(|view| &view.namespace == namespace);
                self.judge(views, time, at);
            }
            What::Image { image, came } => court.docket.arrived(image, *came),
            What::View(view) => self.judge(vec![(**view).clone()], time, at),
            What::Clock => {
                let standing = court.docket.standing();
                self.judge(standing, time, at);
            }
            What::Report {
                uid,
                image,
                outcome,
                marked,
            } => self.reported(uid, image, *outcome, *marked, at),
            What::Undone { uid, undone } => court.docket.taken_back(uid, *undone, at),
            What::Left { uid, .. } => {
                court.docket.left(uid);
                court.wakes.remove(uid);
                self.unsure.remove(uid);
            }
            What::Forgotten(uid) => self.forget(uid),
            What::Aftermath { .. }
            | What::Told
            | What::Verdict(_)
            | What::Start(_)
            | What::Continued(_) => {}
        }
        Ok(())
    }

    /// The record tells no more: what was condemned last was not condemned by it.
    pub(super) fn end(&mut self, time: Timestamp) {
        self.close_open();
        self.miss(time);
    }

    /// Forgets a Pod, whatever became of it.
    pub(super) fn forget(&mut self, uid: &str) {
        if let Some(court) = &mut self.court {
            court.docket.forget(uid);
            self.unsure.remove(uid);
            court.wakes.remove(uid);
        }
    }

    fn config(&self, head: &Head) -> Result<Config, Faults> {
        let mut config = match &self.given {
            Some(given) => given.clone(),
            None => Config::judged_by(head.config.clone())?,
        };
        config.policy.node.clone_from(&head.node);
        config.policy.namespace_labels.clone_from(&head.namespaces);
        Ok(config)
    }

    fn start(&mut self, head: &Head, at: Moment) -> Result<(), Faults> {
        self.close_open();
        self.expected.clear();
        self.unsure.clear();
        // By a configuration that cannot be read nothing is judged, least of all by the one before.
        let before = self.court.take();
        let config = self.config(head)?;
        let mut docket = Docket::new(config.brake, config.warm_up, at);
        let before = before.filter(|_| head.counts == "kept");
        let adopts = self.given.is_none() || before.is_none();
        match (&head.state, before) {
            (Some(state), _) if adopts => adopt(&mut docket, state),
            (_, Some(before)) => {
                let kept = Kept {
                    same_boot: before.boot == head.boot,
                    warm_up_until: before.docket.brake.warm_up_until,
                    memory: before.docket.brake.memory,
                    ledger: before.docket.ledger,
                };
                docket.take_up(kept, at);
            }
            (_, None) => {}
        }
        self.court = Some(Court::of(config, docket, &head.boot, at));
        Ok(())
    }

    /// A new file: what it says at its head is known, unless the files before it were not there.
    fn go_on(&mut self, head: &Head, at: Moment) -> Result<(), Faults> {
        self.close_open();
        if let Some(court) = &mut self.court {
            court.docket.forget_settled();
            return Ok(());
        }
        let config = self.config(head)?;
        let mut docket = Docket::new(config.brake, config.warm_up, at);
        if let Some(state) = &head.state {
            adopt(&mut docket, state);
        }
        for view in &head.views {
            // What was counted by it is in the state; what was decided is not.
            self.unsure.insert(view.uid.clone());
            let verdict = Verdict {
                decision: Decision::Wait,
                reasons: Vec::new(),
                observed: Observed::default(),
            };
            let latest = Latest::new(view.clone(), verdict, at, None);
            docket.latest.insert(view.uid.clone(), latest);
        }
        let mut court = Court::of(config, docket, &head.boot, at);
        let standing = court.docket.standing().into_iter();
        court.wakes = standing.map(|view| (view.uid, at)).collect();
        self.court = Some(court);
        Ok(())
    }

    /// The clock has run until then. What was in force has decided by it where the record says so; another policy may have come to
    /// something in between.
    fn run_clock(&mut self, ticked: Moment, time: Timestamp, at: Moment) {
        if self.given.is_none() {
            return;
        }
        loop {
            let Some(court) = &mut self.court else { return };
            let due = court.wakes.iter().filter(|(_, wake)| **wake <= ticked);
            let Some((uid, wake)) = due.min_by_key(|(_, wake)| **wake) else {
                return;
            };
            let (uid, now) = (uid.clone(), (*wake).max(court.last));
            court.wakes.remove(&uid);
            court.last = now;
            let views = court.docket.views(|view| view.uid == uid);
            // The wall clock is written down with the lines only.
            let time = time.checked_sub(at.since(now)).unwrap_or(time);
            self.judge(views, time, now);
            self.close_open();
        }
    }

    fn judge(&mut self, views: Vec<PodView>, time: Timestamp, at: Moment) {
        for view in views {
            let Some(court) = &mut self.court else { return };
            let judged = court.docket.judge(&court.config.policy, &view, at);
            self.follow(&view, judged, time, at);
        }
    }

    fn follow(&mut self, view: &PodView, judged: Judged, time: Timestamp, at: Moment) {
        let Some(court) = &mut self.court else { return };
        let (uid, verdict) = (&view.uid, &judged.verdict);
        let is_unsure = judged.then != Then::Nothing && self.unsure.remove(uid);
        if (judged.news || is_unsure) && self.given.is_none() {
            let said = Said {
                uid: uid.clone(),
                decision: verdict.decision.as_str().to_owned(),
                reasons: verdict.reasons.iter().map(Reason::to_string).collect(),
                at: Some(at),
            };
            let is_sure = !is_unsure;
            self.expected.push_back(Expected { said, is_sure });
        }
        let observed = &verdict.observed;
        let counted = observed.failed.len() + observed.inferred.len();
        self.tally.failures += u64::try_from(counted).unwrap_or(u64::MAX);
        let is_notable =
            counted > 0 || judged.then != Then::Nothing && self.cases.contains_key(uid);
        let holds = verdict.decision == Decision::Hold;
        if is_notable || holds || matches!(judged.then, Then::Report(_)) {
            let case = self.cases.entry(uid.clone()).or_default();
            let image = case.condemned.as_ref().map(|sentence| &sentence.image);
            let healed = |image: &String| observed.healed.contains(image);
            if (case.is_over() && image.is_some_and(healed)) || !observed.started.is_empty() {
                case.healed.get_or_insert(time);
            }
            if holds && !case.is_over() {
                for reason in &verdict.reasons {
                    if let Some(brake) = reason.brake() {
                        case.held.entry(brake).or_insert(time);
                    }
                    if matches!(reason, Reason::PulledByAnother { .. }) {
                        case.spared.entry(reason.to_string()).or_insert(time);
                    }
                }
            }
            if let Then::Report(condemned) = &judged.then {
                // What was only said may be done later.
                if !case.is_over() || (condemned.enforce && !case.is_failed()) {
                    case.condemned = Some(Sentence::of(condemned, time));
                }
                court.open.push(((**condemned).clone(), at));
            }
        }
        if judged.then == Then::Leave {
            court.docket.left(uid);
        }
        match verdict.next_by_clock(at) {
            Some(wake) if court.docket.latest.contains_key(uid) && wake > at => {
                court.wakes.insert(uid.clone(), wake);
            }
            _ => _ = court.wakes.remove(uid),
        }
    }

    /// Whoever the record did not condemn at that moment: the report is taken to have come to its end at once.
    fn close_open(&mut self) {
        let Some(court) = &mut self.court else { return };
        for (condemned, at) in std::mem::take(&mut court.open) {
            let outcome = match condemned.enforce {
                true => Outcome::Written,
                false => Outcome::Due,
            };
            self.ended(&condemned.uid, &condemned.image, outcome, Some(false), at);
        }
    }

    /// The record tells how the report on a Pod ended. Another policy that condemned it at the same moment would have met the same.
    fn reported(&mut self, uid: &str, image: &str, outcome: Outcome, marked: bool, at: Moment) {
        let sentence = self.cases.get(uid).and_then(|case| case.condemned.as_ref());
        let open = sentence.filter(|sentence| sentence.outcome.is_none());
        let (image, outcome, marked) = match (open, &self.given) {
            (Some(sentence), Some(_)) => {
                let outcome = match (outcome, sentence.enforce) {
                    (Outcome::Written | Outcome::Due, true) => Outcome::Written,
                    (Outcome::Written | Outcome::Due, false) => Outcome::Due,
                    (other, _) => other,
                };
                (sentence.image.clone(), outcome, marked && sentence.enforce)
            }
            (_, None) => (image.to_owned(), outcome, marked),
            // It has not condemned it then.
            (None, Some(_)) => return,
        };
        self.ended(uid, &image, outcome, Some(marked), at);
    }

    fn ended(
        &mut self,
        uid: &str,
        image: &str,
        outcome: Outcome,
        marked: Option<bool>,
        at: Moment,
    ) {
        let Some(court) = &mut self.court else { return };
        court.docket.ended(uid, image, outcome, marked, at);
        if court.docket.standing().iter().any(|view| view.uid == uid) && outcome != Outcome::Written
        {
            court.wakes.insert(uid.to_owned(), at.after(super::AGAIN));
        }
        let case = self.cases.get_mut(uid);
        if let Some(sentence) = case.and_then(|case| case.condemned.as_mut()) {
            sentence.outcome.get_or_insert(outcome);
        }
    }

    /// The agent's own verdict: whether it is the one that was come to here, and whether it condemns too.
    fn compare(&mut self, said: &Said, time: Timestamp) {
        if let Some(court) = &mut self.court
            && said.decision == "condemn"
        {
            court
                .open
                .retain(|(condemned, _)| condemned.uid != said.uid);
        }
        if self.given.is_some() || self.court.is_none() {
            return;
        }
        let passes = |next: &Expected| !next.is_sure && next.said != *said;
        while self.expected.front().is_some_and(passes) {
            self.expected.pop_front();
        }
        match self.expected.pop_front() {
            Some(expected) if expected.said == *said => self.tally.agreed += 1,
            other => {
                let other = other.map(|other| other.said);
                self.disagree(format!(
                    "{time}: the record has {said:?}, this version comes to {other:?}"
                ));
            }
        }
    }

    /// Verdicts that the record does not have.
    fn miss(&mut self, time: Timestamp) {
        for Expected { said, is_sure } in std::mem::take(&mut self.expected) {
            if is_sure {
                self.disagree(format!(
                    "{time}: the record has no verdict, this version comes to {said:?}"
                ));
            }
        }
    }

    fn disagree(&mut self, text: String) {
        self.tally.disagreed += 1;
        if self.disagreements.len() < TOLD {
            self.disagreements.push(text);
        }
    }
}

impl Court {
    fn of(config: Config, docket: Docket, boot: &str, at: Moment) -> Self {
        Self {
            config,
            docket,
            boot: boot.to_owned(),
            open: Vec::new(),
            wakes: BTreeMap::new(),
            last: at,
        }
    }
}

fn adopt(docket: &mut Docket, state: &super::record::State) {
    docket.warm_up_no_longer_than(state.warm_up_until);
    docket.brake.memory = state.brake.clone();
    docket.ledger = state.ledger.clone();
}
