//! The judge and its journal, without an agent: for runs that no clock waits for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use pullwarden::config::{Config, Evidence, Startup};
use pullwarden::journal::log::NodeLog;
use pullwarden::journal::{Journal, Now};
use pullwarden::judge::{Effect, Event, FailRequest, Judge, Moment, Outcome, PodView, Settings};

use super::judge::{RULES, policy};
use super::node_log;

/// A configuration that judges by the rules of the tests.
pub fn config(mode: pullwarden::judge::NodeMode) -> Config {
    Config {
        policy: policy(mode),
        brake: RULES,
        warm_up: Duration::ZERO,
        evidence: Evidence::Auto,
        poll: Duration::from_secs(5),
        registry_metrics: false,
        startup: Startup::default(),
    }
}

/// The part of a configuration that verdicts depend on.
fn settings(config: &Config) -> Settings {
    Settings {
        policy: config.policy.clone(),
        brakes: config.brake,
        warm_up: config.warm_up,
    }
}

/// A node on which things happen when a test says so.
#[derive(Debug)]
pub struct Recorder {
    config: Config,
    judge: Judge,
    journal: Journal,
    dir: PathBuf,
    boot: u32,
    /// What the wall clock shows at the beginning of the boot.
    booted: Timestamp,
    /// Reports that have not ended.
    pub reports: Vec<FailRequest>,
}

impl Recorder {
    /// An agent of this configuration has started for the first time.
    pub fn start(config: Config, dir: &Path) -> Self {
        let now = Moment::new(Duration::ZERO);
        let booted: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
        let judge = Judge::new(settings(&config), now);
        let (log, names) = (NodeLog::in_dir(dir, false), (&*config.policy.node, "1"));
        let clocks = Now {
            wall: booted,
            boot: now,
        };
        let journal = Journal::begin(log, names, config.judging(), "none", &judge, clocks);
        Self {
            config,
            judge,
            journal,
            dir: dir.to_owned(),
            boot: 1,
            booted,
            reports: Vec::new(),
        }
    }

    /// It is started again; on another boot, if so.
    pub fn restart(&mut self, reboots: bool, now: Moment) {
        self.boot += u32::from(reboots);
        self.reports.clear();
        let kept = self.judge.kept();
        self.judge = Judge::restarted(settings(&self.config), kept, !reboots, now);
        let (node, boot) = (&self.config.policy.node, self.boot.to_string());
        let log = NodeLog::in_dir(&self.dir, false);
        let config = self.config.judging();
        let clocks = self.clocks(now);
        self.journal = Journal::begin(log, (node, &boot), config, "kept", &self.judge, clocks);
    }

    fn clocks(&self, now: Moment) -> Now {
        Now {
            wall: self.booted + now.since(Moment::new(Duration::ZERO)),
            boot: now,
        }
    }

    fn happen(&mut self, event: &Event, now: Moment) {
        let effects = self.judge.step(event, now);
        let clocks = self.clocks(now);
        self.journal.write(event, &effects, &self.judge, clocks);
        for effect in effects {
            if let Effect::Report(request) = effect {
                self.reports.push(*request);
            }
        }
    }

    /// A Pod is reported.
    pub fn see(&mut self, view: &PodView, now: Moment) {
        self.happen(&Event::Observed(Box::new(view.clone())), now);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Moment) {
        self.happen(&Event::Tick, now);
    }

    /// A report comes to an end.
    pub fn end_report(&mut self, index: usize, outcome: Outcome, marked: bool, now: Moment) {
        let request = self.reports.remove(index);
        let event = Event::Reported {
            pod: request.pod,
            image: request.image,
            ending: outcome.into(),
            marked: Some(marked),
        };
        self.happen(&event, now);
    }

    /// A Pod leaves Pending.
    pub fn leave(&mut self, uid: &str, view: Option<&PodView>, now: Moment) {
        let event = Event::Left {
            uid: uid.to_owned(),
            view: view.cloned().map(Box::new),
        };
        self.happen(&event, now);
    }

    /// An image comes to the node.
    pub fn arrive(&mut self, image: &str, came: Option<Moment>, now: Moment) {
        let event = Event::ImageArrived {
            image: image.to_owned(),
            at: came,
        };
        self.happen(&event, now);
    }

    /// A new file of the journal is begun.
    pub fn turn_page(&mut self, now: Moment) {
        let clocks = self.clocks(now);
        self.journal.begin_file_now(&self.judge, clocks);
        self.happen(&Event::NewFile, now);
    }

    /// What it has counted is, by the replay too.
    pub fn holds(&self, dir: &Path) {
        node_log::holds(dir);
    }
}
