//! One policy, judged by over the record of one node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::case::{Case, Sentence};
use super::expected::{Expected, Said};
use super::fleet::{Fleet, token_of};
use super::tally::Tally;
use crate::config::{Config, Faults};
use crate::journal::line::{self, Head, Line};
use crate::journal::read::Record;
use crate::judge::{
    Decision, Effect, Ending, Event, FailRequest, Judge, Kept, Moment, Namespaces, Note, Outcome,
    PodId, Reason, Settings, Verdict,
};

/// One policy, judged by over the record of one node.
#[derive(Debug)]
pub(super) struct Trial {
    /// The policy's name.
    pub(super) name: String,
    /// The policy; `None` for the one that was in force.
    given: Option<Config>,
    run: Option<Run>,
    /// The notable Pods that have not left.
    pub(super) cases: BTreeMap<String, Case>,
    /// Counts.
    pub(super) tally: Tally,
    /// The verdicts that the record should have next.
    pub(super) expected: Expected,
    /// The Pods whose verdict before the record's beginning is not known: whether their next one is news is not either.
    unsure: BTreeSet<String>,
    /// The fleet budget, if all nodes are on one time line.
    fleet: Option<Fleet>,
}

/// A Pod whose report wrote nothing, or whose place in a budget may be free, is looked at again after this.
const AGAIN: Duration = Duration::from_secs(10);

/// A run of the agent, judged again.
#[derive(Debug)]
struct Run {
    judge: Judge,
    /// The kernel's name for the boot.
    boot: String,
    /// The Pods that were to be failed by the last line: whether the record fails them too is told by the next ones.
    open: Vec<(FailRequest, Moment)>,
    /// The clock may decide about a Pod whose report wrote nothing.
    again: Option<Moment>,
    last: Moment,
}

impl Trial {
    pub(super) fn of(name: &str, given: Option<Config>, fleet: Option<Fleet>) -> Self {
        Self {
            name: name.to_owned(),
            given,
            run: None,
            cases: BTreeMap::new(),
            tally: Tally::of(name),
            expected: Expected::default(),
            unsure: BTreeSet::new(),
            fleet,
        }
    }

    /// Returns the number of Pods of which something is kept.
    pub(super) fn kept(&self) -> usize {
        let run = self.run.as_ref().map_or(0, |run| {
            run.judge.ledger().pods().count() + run.judge.latest().len() + run.open.len()
        });
        run + self.cases.len() + self.expected.len() + self.unsure.len()
    }

    /// Returns whether there is a policy to judge by yet.
    pub(super) fn is_judging(&self) -> bool {
        self.run.is_some()
    }

    /// Takes up one line of the record.
    ///
    /// # Errors
    /// If the configuration that was in force cannot be read.
    pub(super) fn take(&mut self, record: &Record) -> Result<(), Faults> {
        let &Record { time, at, .. } = record;
        match &record.line {
            Line::Start(head) => return self.start(head, at),
            Line::Continued(head) => return self.go_on(head, at),
            Line::Verdict(verdict) => {
                self.compare(&Said::by(verdict, at), time);
                return Ok(());
            }
            Line::Configuration(_) => {}
            line if line.event().is_none() => return Ok(()),
            _ => {}
        }
        self.close_open();
        self.expected.miss(time, &mut self.tally);
        if let Some(ticked) = record.ticked {
            self.run_clock(ticked, time, at);
        }
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        run.last = at;
        if let Line::Left(line::Left { of, .. }) = &record.line {
            self.unsure.remove(&of.uid);
        }
        match (&record.line, record.line.event()) {
            (Line::Configuration(line), _) => return self.configured(line, time, at),
            (
                _,
                Some(Event::Reported {
                    pod,
                    image,
                    ending,
                    marked,
                }),
            ) => {
                self.reported(pod, &image, ending, marked, at);
            }
            (_, Some(event)) => self.step(&event, time, at),
            (_, None) => {}
        }
        Ok(())
    }

    /// The record tells no more: what was failed last was not failed by it.
    pub(super) fn end(&mut self, time: Timestamp) {
        self.close_open();
        self.expected.miss(time, &mut self.tally);
    }

    /// Forgets a Pod, whatever became of it.
    pub(super) fn forget(&mut self, uid: &str) {
        self.unsure.remove(uid);
        if let Some(run) = &mut self.run {
            let uid = uid.to_owned();
            run.judge.step(&Event::Forgotten { uid }, run.last);
        }
    }

    fn configured(
        &mut self,
        line: &line::Configuration,
        time: Timestamp,
        at: Moment,
    ) -> Result<(), Faults> {
        if self.given.is_some() {
            return Ok(());
        }
        match Config::judged_by(line.config.clone()) {
            Ok(config) => {
                let settings = settings(config, "", Namespaces::new());
                self.step(&Event::Configured(Box::new(settings)), time, at);
                Ok(())
            }
            Err(faults) => {
                self.run = None;
                Err(faults)
            }
        }
    }

    fn settings(&self, head: &Head) -> Result<Settings, Faults> {
        let config = match &self.given {
            Some(given) => given.clone(),
            None => Config::judged_by(head.config.clone())?,
        };
        let known = head.known_namespaces();
        Ok(settings(config, &head.node, known))
    }

    fn start(&mut self, head: &Head, at: Moment) -> Result<(), Faults> {
        self.close_open();
        self.expected.clear();
        self.unsure.clear();
        // By a configuration that cannot be read nothing is judged, least of all by the one before.
        let before = self.run.take();
        let settings = self.settings(head)?;
        let before = before.filter(|_| head.counts.as_deref() == Some("kept"));
        let adopts = self.given.is_none() || before.is_none();
        let judge = match (&head.state, before) {
            (Some(state), _) if adopts => {
                Judge::resumed(settings, Some(Kept::from(state.clone())), &[], at)
            }
            (_, Some(before)) => {
                let same_boot = before.boot == head.boot;
                Judge::restarted(settings, before.judge.kept(), same_boot, at)
            }
            (_, None) => Judge::new(settings, at),
        };
        self.run = Some(Run::of(judge, &head.boot, at));
        Ok(())
    }

    /// A new file: what it says at its head is known, unless the files before it were not there.
    fn go_on(&mut self, head: &Head, at: Moment) -> Result<(), Faults> {
        self.close_open();
        if let Some(run) = &mut self.run {
            run.judge.step(&Event::NewFile, at);
            return Ok(());
        }
        let settings = self.settings(head)?;
        let kept = head.state.clone().map(Kept::from);
        let views = head.views.as_deref().unwrap_or_default();
        // What was counted by them is in the state; what was decided is not.
        self.unsure
            .extend(views.iter().map(|view| view.uid.clone()));
        let judge = Judge::resumed(settings, kept, views, at);
        let mut run = Run::of(judge, &head.boot, at);
        run.again = Some(at);
        self.run = Some(run);
        Ok(())
    }

    /// The clock has run until then. What was in force has decided by it where the record says so; another policy may have come to
    /// something in between.
    fn run_clock(&mut self, ticked: Moment, time: Timestamp, at: Moment) {
        if self.given.is_none() {
            return;
        }
        while let Some(run) = &mut self.run {
            let by_clock = run.judge.next_by_clock().filter(|next| *next > run.last);
            let next = by_clock.into_iter().chain(run.again).min();
            let Some(next) = next.filter(|next| *next <= ticked) else {
                return;
            };
            let now = next.max(run.last);
            run.again = run.again.filter(|again| *again > now);
            run.last = now;
            // The wall clock is written down with the lines only.
            let time = time.checked_sub(at.since(now)).unwrap_or(time);
            self.step(&Event::Tick, time, now);
            self.close_open();
        }
    }

    /// Takes up an event, and what follows from it.
    fn step(&mut self, event: &Event, time: Timestamp, at: Moment) {
        let Some(run) = &mut self.run else { return };
        for effect in run.judge.step(event, at) {
            match effect {
                Effect::Note(Note::Verdict { pod, verdict }) => {
                    self.follow(&pod, &verdict, time, at);
                }
                Effect::Report(request) => {
                    let Some(run) = &mut self.run else { return };
                    let case = self.cases.entry(request.pod.uid.clone()).or_default();
                    // What was only said may be done later.
                    if !case.is_over() || (request.enforce && !case.is_failed()) {
                        let token = token_of(&run.judge, &request, time);
                        case.condemned = Some(Sentence::of(&request, token, time));
                    }
                    run.open.push((*request, at));
                }
                _ => {}
            }
        }
    }

    fn follow(&mut self, pod: &PodId, verdict: &Verdict, time: Timestamp, at: Moment) {
        let uid = &pod.uid;
        let is_sure = !self.unsure.remove(uid);
        if self.given.is_none() {
            let said = Said::of(pod, verdict, at);
            self.expected.add(said, is_sure);
        }
        let observed = &verdict.observed;
        let counted = observed.failed.len() + observed.inferred.len();
        self.tally.failures += u64::try_from(counted).unwrap_or(u64::MAX);
        let holds = verdict.decision == Decision::Hold;
        if counted == 0 && !holds && !self.cases.contains_key(uid) {
            return;
        }
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
    }

    /// Whoever the record did not fail at that moment: the report is taken to have come to its end at once.
    fn close_open(&mut self) {
        let Some(run) = &mut self.run else { return };
        for (request, at) in std::mem::take(&mut run.open) {
            let outcome = match request.enforce {
                true => Outcome::Written,
                false => Outcome::Due,
            };
            self.ended(request.pod, &request.image, outcome.into(), Some(false), at);
        }
    }

    /// The record tells how the report on a Pod ended. Another policy that failed it at the same moment would have met the same.
    fn reported(
        &mut self,
        pod: PodId,
        image: &str,
        ending: Ending,
        marked: Option<bool>,
        at: Moment,
    ) {
        let case = self.cases.get(&pod.uid);
        let sentence = case.and_then(|case| case.condemned.as_ref());
        let open = sentence.filter(|sentence| sentence.outcome.is_none());
        match (open, &self.given) {
            (Some(sentence), Some(_)) => {
                let outcome = match (ending.outcome, sentence.enforce) {
                    // The fleet budget of this policy is asked anew.
                    (Outcome::Fleet, true) if self.fleet.is_some() => Outcome::Written,
                    (Outcome::Written | Outcome::Due, true) => Outcome::Written,
                    (Outcome::Written | Outcome::Due, false) => Outcome::Due,
                    (other, _) => other,
                };
                let marked = marked.map(|marked| marked && sentence.enforce);
                let image = sentence.image.clone();
                self.ended(pod, &image, Ending { outcome, ..ending }, marked, at);
            }
            (_, None) => self.ended(pod, image, ending, marked, at),
            // It has not failed it then.
            (None, Some(_)) => {}
        }
    }

    fn ended(&mut self, pod: PodId, image: &str, ending: Ending, marked: Option<bool>, at: Moment) {
        let Some(run) = &mut self.run else { return };
        let sentence = self.cases.get(&pod.uid);
        let sentence = sentence.and_then(|case| case.condemned.as_ref());
        let ending = match &self.fleet {
            Some(fleet) => fleet.end(sentence, run.judge.policy(), ending),
            None => ending,
        };
        let (uid, outcome) = (pod.uid.clone(), ending.outcome);
        let event = Event::Reported {
            pod,
            image: image.to_owned(),
            ending,
            marked,
        };
        run.judge.step(&event, at);
        if outcome != Outcome::Written {
            run.again = Some(at.after(AGAIN));
        }
        let case = self.cases.get_mut(&uid);
        if let Some(sentence) = case.and_then(|case| case.condemned.as_mut()) {
            sentence.outcome.get_or_insert(outcome);
        }
    }

    /// The agent's own verdict: whether it is the one that was come to here, and whether it fails the Pod too.
    fn compare(&mut self, said: &Said, time: Timestamp) {
        let Some(run) = &mut self.run else { return };
        if said.decision == Decision::FAIL {
            run.open.retain(|(request, _)| request.pod.uid != said.uid);
        }
        if self.given.is_none() {
            self.expected.compare(said, time, &mut self.tally);
        }
    }
}

impl Run {
    fn of(judge: Judge, boot: &str, at: Moment) -> Self {
        Self {
            judge,
            boot: boot.to_owned(),
            open: Vec::new(),
            again: None,
            last: at,
        }
    }
}

fn settings(config: Config, node: &str, known: Namespaces) -> Settings {
    let mut policy = config.policy;
    node.clone_into(&mut policy.node);
    policy.namespaces = known;
    Settings {
        policy,
        brakes: config.brake,
        warm_up: config.warm_up,
    }
}
