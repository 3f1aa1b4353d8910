//! Replay: the judge over recorded logs of nodes, by the policy that was in force and by others.
//!
//! A log is read line by line. Every input of the agent's judge is an input of the same
//! [`Judge`](crate::judge::Judge) here.

// The outcome of a report is taken from the record if the agent failed the same Pod at the same
// moment. Otherwise the report is taken to have been carried out at once. The record does not have
// the Pods that would have come after a failed one, and the replay does not guess them.

mod case;
mod expected;
mod fleet;
mod sections;
mod tally;
mod timeline;
mod trial;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

pub use case::{Decision, Fate, Finding, Row};
pub use fleet::Fleet;
pub use sections::{Contents, Section, by_node, sections_of};
pub use tally::Tally;
pub use timeline::{Next, Timeline};

use crate::config::{Config, Faults};
use crate::journal::line::{self, Line as What};
use crate::journal::read::Record;
use crate::judge::{Phase, PodView};
use trial::Trial;

/// The name of the policy that was in force.
pub const RECORDED: &str = "recorded";

/// Time within which the record may say what became of a Pod that has left.
const AFTERMATH: Duration = Duration::from_secs(60);

/// The record of one node, and what each policy makes of it. Only Pods that have not left are kept.
#[derive(Debug)]
pub struct Replay {
    node: String,
    trials: Vec<Trial>,
    /// Number of times that the agent was started.
    run: u32,
    seen: BTreeMap<String, Seen>,
    leaving: BTreeMap<String, Leaving>,
    last: Option<Timestamp>,
    /// Some policy has had anything to judge by.
    has_judged: bool,
    unjudged: u64,
}

/// A Pod that was reported.
#[derive(Debug)]
struct Seen {
    namespace: String,
    name: String,
    /// In which run of the agent.
    run: u32,
}

/// A Pod that has left, and of which it may still be told what became.
#[derive(Debug)]
struct Leaving {
    namespace: String,
    name: String,
    since: Timestamp,
    fate: Fate,
}

impl Replay {
    /// By the policy that was in force, and by these.
    pub fn new(policies: &[(String, Config)]) -> Self {
        Self::of(policies, |_| None)
    }

    /// The same for one of many nodes, which share a fleet budget for each of these policies.
    pub fn in_fleet(policies: &[(String, Config)], fleets: &[Fleet]) -> Self {
        Self::of(policies, |policy| fleets.get(policy).cloned())
    }

    fn of(policies: &[(String, Config)], fleet: impl Fn(usize) -> Option<Fleet>) -> Self {
        let given = policies
            .iter()
            .enumerate()
            .map(|(index, (name, config))| Trial::of(name, Some(config.clone()), fleet(index)));
        Self {
            node: String::new(),
            trials: std::iter::once(Trial::of(RECORDED, None, None))
                .chain(given)
                .collect(),
            run: 0,
            seen: BTreeMap::new(),
            leaving: BTreeMap::new(),
            last: None,
            has_judged: false,
            unjudged: 0,
        }
    }

    /// Returns the number of Pods of which something is kept, by all policies together.
    pub fn kept(&self) -> usize {
        let trials: usize = self.trials.iter().map(Trial::kept).sum();
        trials + self.seen.len() + self.leaving.len()
    }

    /// Returns whether the record has said, in a form that this version reads, what was in force.
    pub fn has_judged(&self) -> bool {
        self.has_judged
    }

    /// Lines that came before any that says which policy was in force.
    pub fn unjudged(&self) -> u64 {
        self.unjudged
    }

    /// Returns the first differences, in words, between the verdicts of the record and those of the
    /// replay by the policy that was in force.
    pub fn disagreements(&self) -> impl Iterator<Item = &str> {
        let all = self
            .trials
            .iter()
            .flat_map(|trial| &trial.expected.disagreements);
        all.map(String::as_str)
    }

    /// Returns the sums of each policy so far.
    pub fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.trials.iter().map(|trial| &trial.tally)
    }

    /// Takes up one line; the Pods that it tells the last of are handed to `tell`.
    ///
    /// # Errors
    /// If the configuration that was in force cannot be read by this version.
    pub fn take(&mut self, record: &Record, tell: &mut impl FnMut(Row)) -> Result<(), Faults> {
        let time = record.time;
        self.last = Some(time);
        let late =
            |leaving: &Leaving| time.duration_since(leaving.since).unsigned_abs() > AFTERMATH;
        let over: Vec<String> = self
            .leaving
            .iter()
            .filter(|(_, leaving)| late(leaving))
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in over {
            self.close(&uid, tell);
        }
        if let What::Start(head) = &record.line {
            self.begin(&head.node, tell);
        } else if let What::Continued(head) = &record.line {
            self.node.clone_from(&head.node);
        }
        if !matches!(record.line, What::Start(_) | What::Continued(_))
            && !self.trials.iter().any(Trial::is_judging)
        {
            self.unjudged += 1;
            return Ok(());
        }
        if let What::View(line::View { view }) = &record.line {
            let seen = self.seen.entry(view.uid.clone()).or_insert_with(|| Seen {
                namespace: view.namespace.clone(),
                name: view.name.clone(),
                run: 0,
            });
            seen.run = self.run;
        }
        let mut result = Ok(());
        for trial in &mut self.trials {
            // One policy that cannot be read does not stop the others.
            result = result.and(trial.take(record));
        }
        self.has_judged |= self.trials.iter().any(Trial::is_judging);
        match &record.line {
            What::Left(line::Left { of, written, view }) => {
                let has_started = |view: &PodView| view.phase == Phase::Started && !view.deleting;
                let fate = match (written, view) {
                    (true, _) => Fate::Failed,
                    (false, None) => Fate::Unknown,
                    (false, Some(view)) if has_started(view) => Fate::Started,
                    (false, Some(_)) => Fate::Ended,
                };
                self.leave(&of.uid, fate, time, tell);
            }
            What::Forgotten(line) => self.leave(&line.uid, Fate::Ended, time, tell),
            What::Aftermath(line) => {
                let started = match line.became.as_str() {
                    "started" => Some(true),
                    "ended" => Some(false),
                    _ => None,
                };
                self.became(&line.of.uid, started, time, tell);
            }
            What::WouldFailThenStarted(line) => {
                self.became(&line.of.uid, Some(true), time, tell);
            }
            _ => {}
        }
        result
    }

    /// The record tells what became of a Pod, if that was found out.
    fn became(
        &mut self,
        uid: &str,
        started: Option<bool>,
        time: Timestamp,
        tell: &mut impl FnMut(Row),
    ) {
        if let (Some(leaving), Some(started)) = (self.leaving.get_mut(uid), started) {
            leaving.fate = match started {
                true => Fate::Started,
                false => Fate::Ended,
            };
            self.close(uid, tell);
        } else if started == Some(true) {
            for case in self.trials.iter_mut().filter_map(|t| t.cases.get_mut(uid)) {
                case.healed.get_or_insert(time);
            }
        }
    }

    /// The record ends: the Pods that are still there are handed to `tell`.
    pub fn end(&mut self, tell: &mut impl FnMut(Row)) {
        let Some(time) = self.last else { return };
        for trial in &mut self.trials {
            trial.end(time);
        }
        let leaving: Vec<String> = self.leaving.keys().cloned().collect();
        for uid in leaving {
            self.close(&uid, tell);
        }
        let cases = self.trials.iter().flat_map(|trial| trial.cases.keys());
        let mut there: Vec<String> = self.seen.keys().chain(cases).cloned().collect();
        there.sort();
        there.dedup();
        for uid in there {
            self.leave(&uid, Fate::Pending, time, tell);
        }
    }

    /// The agent was started. Pods that it did not see in the whole run before are gone.
    fn begin(&mut self, node: &str, tell: &mut impl FnMut(Row)) {
        node.clone_into(&mut self.node);
        let leaving: Vec<String> = self.leaving.keys().cloned().collect();
        for uid in leaving {
            self.close(&uid, tell);
        }
        let gone = self.seen.iter().filter(|(_, seen)| seen.run < self.run);
        let gone: Vec<String> = gone.map(|(uid, _)| uid.clone()).collect();
        self.run += 1;
        for uid in gone {
            for trial in &mut self.trials {
                trial.forget(&uid);
            }
            if let Some(time) = self.last {
                self.leave(&uid, Fate::Unknown, time, tell);
            }
        }
    }

    /// A Pod is not Pending any more. If that is worth knowing, and may still be told, it is waited for what became of it.
    fn leave(&mut self, uid: &str, fate: Fate, time: Timestamp, tell: &mut impl FnMut(Row)) {
        let seen = self.seen.remove(uid);
        let is_over = |trial: &Trial| trial.cases.get(uid).is_some_and(case::Case::is_over);
        let waits = fate == Fate::Unknown && self.trials.iter().any(is_over);
        let (namespace, name) = seen.map_or_else(Default::default, |s| (s.namespace, s.name));
        let leaving = Leaving {
            namespace,
            name,
            since: time,
            fate,
        };
        self.leaving.insert(uid.to_owned(), leaving);
        if !waits {
            self.close(uid, tell);
        }
    }

    fn close(&mut self, uid: &str, tell: &mut impl FnMut(Row)) {
        let Some(leaving) = self.leaving.remove(uid) else {
            return;
        };
        let mut is_notable = false;
        let mut findings = Vec::new();
        for trial in &mut self.trials {
            let case = trial.cases.remove(uid);
            let is_counted = case.is_some();
            let finding = Finding::of(&trial.name, &case.unwrap_or_default(), leaving.fate);
            if is_counted {
                trial.tally.count(&finding, leaving.fate);
            }
            is_notable |= finding.decision != Decision::Waited;
            findings.push(finding);
        }
        if !is_notable {
            return;
        }
        let differs = findings.windows(2).any(|pair| !pair[0].agrees(&pair[1]));
        tell(Row {
            node: self.node.clone(),
            namespace: leaving.namespace,
            pod: leaving.name,
            uid: uid.to_owned(),
            fate: leaving.fate,
            until: leaving.since,
            differs,
            policies: findings,
        });
    }
}

/// Adds up what each policy comes to on one more node.
pub fn add_up(sums: &mut Vec<Tally>, replay: &Replay) {
    for (index, tally) in replay.tallies().enumerate() {
        match sums.get_mut(index) {
            Some(sum) => sum.add(tally),
            None => sums.push(tally.clone()),
        }
    }
}
