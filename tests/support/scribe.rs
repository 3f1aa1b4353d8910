//! The agent's judging and what it writes down of it, without an agent: for stories that no clock waits for.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use pullwarden::config::{Config, Evidence, Startup};
use pullwarden::judge::{
    Condemned, Decision, Docket, Judged, Kept, Moment, Outcome, PodView, Reason, Stage, Then,
};
use pullwarden::report::{Line, NodeLog, Stamp, State};

use super::court::{RULES, policy};
use super::record;

/// A configuration that judges by the rules of the tests.
pub fn config(mode: pullwarden::judge::NodeMode) -> Config {
    Config {
        policy: policy(mode),
        brake: RULES,
        warm_up: Duration::ZERO,
        evidence: Evidence::Auto,
        poll: Duration::from_secs(5),
        startup: Startup::default(),
    }
}

/// A node on which things happen when a test says so.
#[derive(Debug)]
pub struct Scribe {
    config: Config,
    docket: Docket,
    log: NodeLog,
    boot: u32,
    ticked: Option<Moment>,
    /// What the wall clock shows at the beginning of the boot.
    booted: Timestamp,
    /// Reports that have not ended.
    pub reports: Vec<Condemned>,
}

impl Scribe {
    /// An agent of this configuration has started for the first time.
    pub fn start(config: Config, dir: &Path) -> Self {
        let now = Moment::new(Duration::ZERO);
        let mut scribe = Self {
            docket: Docket::new(config.brake, config.warm_up, now),
            config,
            log: NodeLog::in_dir(dir, false),
            boot: 1,
            ticked: None,
            booted: "2026-11-02T00:00:00Z".parse().unwrap(),
            reports: Vec::new(),
        };
        scribe.begin("none", now);
        scribe
    }

    /// It is started again; on another boot, if so.
    pub fn restart(&mut self, reboots: bool, now: Moment) {
        let before = self.docket.clone();
        self.boot += u32::from(reboots);
        self.ticked = None;
        self.reports.clear();
        self.docket = Docket::new(self.config.brake, self.config.warm_up, now);
        let kept = Kept {
            same_boot: !reboots,
            warm_up_until: before.brake.warm_up_until,
            memory: before.brake.memory,
            ledger: before.ledger,
        };
        self.docket.take_up(kept, now);
        self.begin("kept", now);
    }

    fn begin(&mut self, counts: &str, now: Moment) {
        let docket = self.docket.clone();
        let line = Line::Start {
            version: "0",
            node: &self.config.policy.node.clone(),
            boot: &self.boot.to_string(),
            counts,
            config: self.config.judging(),
            state: (counts == "kept").then(|| State::of(&docket)),
        };
        self.write(now, &line);
    }

    fn write(&mut self, at: Moment, line: &Line<'_>) {
        let stamp = Stamp {
            time: self.booted + at.since(Moment::new(Duration::ZERO)),
            at,
            ticked: self.ticked,
        };
        self.log.write(stamp, line).unwrap();
    }

    /// A Pod is reported.
    pub fn see(&mut self, view: &PodView, now: Moment) {
        let judged = self.docket.judge(&self.config.policy, view, now);
        if judged.then == Then::Nothing {
            return;
        }
        self.write(now, &Line::View { view });
        self.follow(view, judged, now);
    }

    /// The agent looks whether something has stood long enough.
    pub fn tick(&mut self, now: Moment) {
        let mut told = false;
        for view in self.docket.standing() {
            let judged = self.docket.judge(&self.config.policy, &view, now);
            if judged.news && !std::mem::replace(&mut told, true) {
                self.write(now, &Line::Clock {});
            }
            self.follow(&view, judged, now);
        }
        self.ticked = Some(now);
    }

    fn follow(&mut self, view: &PodView, judged: Judged, now: Moment) {
        let (namespace, pod, uid) = (&view.namespace, &view.name, &view.uid);
        let verdict = &judged.verdict;
        let texts =
            |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
        let (failed, inferred, healed) = (
            texts(&verdict.observed.failed),
            texts(&verdict.observed.inferred),
            texts(&verdict.observed.healed),
        );
        fn bare(texts: &[String]) -> Vec<&str> {
            texts.iter().map(String::as_str).collect()
        }
        if judged.news {
            let line = Line::Verdict {
                namespace,
                pod,
                uid,
                decision: verdict.decision.as_str(),
                enforce: match &verdict.decision {
                    Decision::Condemn(condemned) => Some(condemned.enforce),
                    _ => None,
                },
                failed: bare(&failed),
                inferred: bare(&inferred),
                healed: bare(&healed),
                brakes: verdict.reasons.iter().filter_map(Reason::brake).collect(),
                reasons: verdict.reasons.iter().map(Reason::to_string).collect(),
            };
            self.write(now, &line);
        }
        match judged.then {
            Then::Leave => self.leave(uid, Some(view), now),
            Then::Report(condemned) => self.reports.push(*condemned),
            Then::Nothing | Then::LookAway | Then::GoOn => {}
        }
    }

    /// A report comes to an end.
    pub fn end_report(&mut self, index: usize, outcome: Outcome, marked: bool, now: Moment) {
        let condemned = self.reports.remove(index);
        let (uid, image) = (&condemned.uid, &condemned.image);
        let has_left = self.docket.ended(uid, image, outcome, Some(marked), now);
        let line = Line::Report {
            namespace: &condemned.namespace,
            pod: &condemned.name,
            uid,
            image,
            ending: "written",
            outcome: outcome.as_str(),
            marked,
            detail: String::new(),
        };
        self.write(now, &line);
        if has_left {
            self.leave(uid, None, now);
        }
    }

    /// A Pod leaves Pending.
    pub fn leave(&mut self, uid: &str, view: Option<&PodView>, now: Moment) {
        let Some(record) = self.docket.left(uid) else {
            return;
        };
        let line = Line::Left {
            namespace: &record.namespace,
            pod: &record.name,
            uid,
            written: matches!(record.stage, Stage::Written(_)),
            view,
        };
        self.write(now, &line);
    }

    /// An image comes to the node.
    pub fn arrive(&mut self, image: &str, came: Option<Moment>, now: Moment) {
        self.docket.arrived(image, came);
        self.write(now, &Line::Image { image, came });
    }

    /// A new file of the log is begun.
    pub fn turn_page(&mut self, now: Moment) {
        let docket = self.docket.clone();
        let line = Line::Continued {
            version: "0",
            node: &self.config.policy.node.clone(),
            boot: &self.boot.to_string(),
            config: self.config.judging(),
            state: Some(State::of(&docket)),
            namespaces: &self.config.policy.namespace_labels.clone(),
            views: docket.latest.values().map(|latest| &latest.view).collect(),
        };
        self.write(now, &line);
        self.docket.forget_settled();
    }

    /// What it has counted is, by the replay too.
    pub fn holds(&self, dir: &Path) {
        record::holds(dir);
    }
}
