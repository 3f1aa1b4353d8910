use std::collections::BTreeMap;

use serde::Serialize;

use crate::judge::{BrakeMemory, Docket, Ledger, Moment, PodView};

/// One line of the node's log, without its times. `docs/pulls.schema.json` says the same for those who read it.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Line<'a> {
    /// The agent has started.
    Start {
        /// Its version.
        version: &'a str,
        /// The node.
        node: &'a str,
        /// The kernel's name for this boot.
        boot: &'a str,
        /// What became of the counts of an earlier run: `kept`, `none` or `damaged`.
        counts: &'a str,
        /// The configuration, as far as judging goes by it.
        config: serde_json::Value,
        /// What an earlier run has left; `None` where it has left nothing, or too much.
        state: Option<State<'a>>,
    },
    /// A new file of the log has begun: what was so at that moment.
    Continued {
        /// The agent's version.
        version: &'a str,
        /// The node.
        node: &'a str,
        /// The kernel's name for this boot.
        boot: &'a str,
        /// The configuration, as far as judging goes by it.
        config: serde_json::Value,
        /// What was known; `None` where that is too much.
        state: Option<State<'a>>,
        /// The labels of namespaces that were known.
        namespaces: &'a BTreeMap<String, BTreeMap<String, String>>,
        /// The Pods that were being judged.
        views: Vec<&'a PodView>,
    },
    /// The configuration has changed.
    Configuration {
        /// The configuration, as far as judging goes by it.
        config: serde_json::Value,
    },
    /// The labels of a namespace were read.
    Labels {
        /// All that are known now, by namespace.
        namespaces: &'a BTreeMap<String, BTreeMap<String, String>>,
        /// The namespace.
        namespace: &'a str,
    },
    /// An image has come to the node while something failed.
    Image {
        /// Its tag or digest.
        image: &'a str,
        /// When, if the lists before and after it were close together.
        came: Option<Moment>,
    },
    /// What was reported of a Pod, where it is not what was reported before, or a verdict on it is news.
    View {
        /// The report.
        view: &'a PodView,
    },
    /// It was looked whether a reason has stood long enough, and that changed something.
    Clock {},
    /// A failed pull.
    Failure {
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// The image.
        image: &'a str,
        /// Why it failed.
        cause: &'a str,
        /// The cause's class.
        class: &'a str,
        /// How many were counted by now.
        failures: u32,
        /// Whether it was not seen itself, but the pause after it.
        inferred: bool,
        /// The error.
        error: &'a str,
    },
    /// An image got past its pull after failures.
    Heal {
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// The image.
        image: &'a str,
    },
    /// A verdict on a Pod that is another one than before, or was given on something new.
    Verdict {
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// `settle`, `wait`, `hold` or `condemn`.
        decision: &'a str,
        /// Whether the Pod may be written to, for `condemn`.
        enforce: Option<bool>,
        /// Images with a newly counted failure.
        failed: Vec<&'a str>,
        /// Images with a failure that was inferred from the pause after it.
        inferred: Vec<&'a str>,
        /// Images that got past their pull after failures.
        healed: Vec<&'a str>,
        /// The brakes that hold it.
        brakes: Vec<&'a str>,
        /// Why.
        reasons: Vec<String>,
    },
    /// A request about a Pod, and what came of it.
    Write {
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// `look`, `condition`, `deadline`, `delete`, `take-back` or `event`.
        step: &'a str,
        /// `ok`, or what was answered.
        result: &'a str,
    },
    /// The report on a Pod ended.
    Report {
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// The image.
        image: &'a str,
        /// `written`, `due`, `spared`, `gone`, `denied` or `failed`.
        ending: &'a str,
        /// What that means for judging the Pod again.
        outcome: &'a str,
        /// Whether the condition may be standing.
        marked: bool,
        /// More about it.
        detail: String,
    },
    /// A condition was to be taken back.
    Undone {
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// `clear`, `written` or `standing`.
        undone: &'a str,
    },
    /// It was looked what became of a Pod that would have been failed and is not Pending any more.
    Aftermath {
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// `started`, `ended` or `unknown`.
        became: &'a str,
    },
    /// A Pod that would have been failed has started after all.
    WouldFailThenStarted {
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// The image whose time had come.
        image: &'a str,
        /// Why the Pod was not failed: `observing`, `held` or `spared`.
        because: &'a str,
    },
    /// A Pod is not Pending any more, or gone.
    Left {
        /// The Pod's namespace.
        namespace: &'a str,
        /// The Pod's name.
        pod: &'a str,
        /// The Pod's UID.
        uid: &'a str,
        /// Whether both writes had been made.
        written: bool,
        /// What it is now, where the evidence tells.
        view: Option<&'a PodView>,
    },
    /// A Pod has not been on the node for long, and is forgotten.
    Forgotten {
        /// The Pod's UID.
        uid: &'a str,
    },
}

/// What the judge remembers, in the form of the state file.
#[derive(Debug, Serialize)]
pub struct State<'a> {
    /// Until when the agent only watches.
    pub warm_up_until: Moment,
    /// What the brake remembers.
    pub brake: &'a BrakeMemory,
    /// What was counted.
    pub ledger: &'a Ledger,
}

impl<'a> State<'a> {
    /// What is remembered at present.
    pub fn of(docket: &'a Docket) -> Self {
        Self {
            warm_up_until: docket.brake.warm_up_until,
            brake: &docket.brake.memory,
            ledger: &docket.ledger,
        }
    }
}
