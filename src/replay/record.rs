use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::judge::{BrakeMemory, Ledger, Moment, Outcome, PodView, Undone};

/// One line of a node's log, as far as judging again goes by it.
#[derive(Debug)]
pub struct Record {
    /// The wall clock.
    pub time: Timestamp,
    /// The boot clock.
    pub at: Moment,
    /// When the agent had last looked whether a reason has stood long enough.
    pub ticked: Option<Moment>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug)]
pub enum What {
    /// The agent was started.
    Start(Box<Head>),
    /// A new file was begun.
    Continued(Box<Head>),
    /// The configuration has changed to this.
    Configuration(Value),
    /// These are the labels of namespaces that are known; those of one were read.
    Labels {
        /// The one.
        namespace: String,
        /// All of them.
        namespaces: Labels,
    },
    /// An image has come to the node.
    Image {
        /// Its tag or digest.
        image: String,
        /// When, as far as known.
        came: Option<Moment>,
    },
    /// A Pod was reported.
    View(Box<PodView>),
    /// The clock has decided something.
    Clock,
    /// The agent's own verdict.
    Verdict(Box<Said>),
    /// A report has ended.
    Report {
        /// The Pod's UID.
        uid: String,
        /// The image.
        image: String,
        /// What it came to.
        outcome: Outcome,
        /// Whether the condition may be standing.
        marked: bool,
    },
    /// A condition was to be taken back.
    Undone {
        /// The Pod's UID.
        uid: String,
        /// What became of it.
        undone: Undone,
    },
    /// What became of a Pod that had left: whether it started, if that could be found out.
    Aftermath {
        /// The Pod's UID.
        uid: String,
        /// Whether it started.
        started: Option<bool>,
    },
    /// A Pod is not Pending any more, or gone.
    Left {
        /// The Pod's UID.
        uid: String,
        /// Whether the agent has failed it.
        written: bool,
        /// What it is now, where that is known.
        view: Option<Box<PodView>>,
    },
    /// A Pod is forgotten.
    Forgotten(String),
    /// What only tells people of the above.
    Told,
}

/// The labels of namespaces.
pub type Labels = BTreeMap<String, BTreeMap<String, String>>;

/// What is so where an agent, or a file, begins.
#[derive(Debug, Deserialize)]
pub struct Head {
    /// The node.
    pub node: String,
    /// The kernel's name for the boot.
    pub boot: String,
    /// What became of the counts of an earlier run; empty where the agent goes on.
    #[serde(default)]
    pub counts: String,
    /// The configuration, as far as judging goes by it.
    pub config: Value,
    /// What was known.
    pub state: Option<State>,
    /// The Pods that were being judged.
    #[serde(default)]
    pub views: Vec<PodView>,
    /// The labels of namespaces that were known.
    #[serde(default)]
    pub namespaces: Labels,
}

/// What the judge remembered.
#[derive(Clone, Debug, Deserialize)]
pub struct State {
    /// Until when the agent only watched.
    pub warm_up_until: Moment,
    /// What the brake remembered.
    pub brake: BrakeMemory,
    /// What was counted.
    pub ledger: Ledger,
}

/// A verdict, as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Said {
    /// The Pod's UID.
    pub uid: String,
    /// What was decided.
    pub decision: String,
    /// Why.
    pub reasons: Vec<String>,
    /// When.
    #[serde(skip)]
    pub at: Option<Moment>,
}

/// Why a line cannot be judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is damaged or cut, or lacks something.
    Damaged(String),
    /// A newer version has written it.
    Unknown(String),
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(why) => write!(f, "cannot be read, passed over: {why}"),
            Self::Unknown(kind) => write!(
                f,
                "is of a kind that this version does not know, passed over: {kind:?}"
            ),
        }
    }
}

/// What every line begins with.
#[derive(Deserialize)]
struct Common<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    time: Timestamp,
    at: Moment,
    #[serde(default)]
    ticked: Option<Moment>,
}

impl Record {
    /// Reads a line.
    ///
    /// # Errors
    /// If it cannot be judged by.
    pub fn read(line: &[u8]) -> Result<Self, Unreadable> {
        let damaged = |error: serde_json::Error| Unreadable::Damaged(error.to_string());
        let common: Common<'_> = serde_json::from_slice(line).map_err(damaged)?;
        let what = What::read(&common, line).map_err(damaged)?;
        Ok(Self {
            time: common.time,
            at: common.at,
            ticked: common.ticked,
            what: what.ok_or_else(|| Unreadable::Unknown(common.kind.into_owned()))?,
        })
    }
}

impl What {
    fn read(common: &Common<'_>, line: &[u8]) -> serde_json::Result<Option<Self>> {
        #[derive(Deserialize)]
        struct Configuration {
            config: Value,
        }
        #[derive(Deserialize)]
        struct OfLabels {
            namespace: String,
            namespaces: Labels,
        }
        #[derive(Deserialize)]
        struct Image {
            image: String,
            came: Option<Moment>,
        }
        #[derive(Deserialize)]
        struct View {
            view: Box<PodView>,
        }
        #[derive(Deserialize)]
        struct Report {
            uid: String,
            image: String,
            outcome: Outcome,
            marked: bool,
        }
        #[derive(Deserialize)]
        struct OfUndone {
            uid: String,
            undone: Undone,
        }
        #[derive(Deserialize)]
        struct Aftermath {
            uid: String,
            became: String,
        }
        #[derive(Deserialize)]
        struct Pod {
            uid: String,
        }
        #[derive(Deserialize)]
        struct Left {
            uid: String,
            written: bool,
            view: Option<Box<PodView>>,
        }
        let from = line;
        Ok(Some(match &*common.kind {
            "start" => Self::Start(serde_json::from_slice(from)?),
            "continued" => Self::Continued(serde_json::from_slice(from)?),
            "configuration" => {
                Self::Configuration(serde_json::from_slice::<Configuration>(from)?.config)
            }
            "labels" => {
                let OfLabels {
                    namespace,
                    namespaces,
                } = serde_json::from_slice(from)?;
                Self::Labels {
                    namespace,
                    namespaces,
                }
            }
            "image" => {
                let Image { image, came } = serde_json::from_slice(from)?;
                Self::Image { image, came }
            }
            "view" => Self::View(serde_json::from_slice::<View>(from)?.view),
            "clock" => Self::Clock,
            "verdict" => {
                let mut said: Box<Said> = serde_json::from_slice(from)?;
                said.at = Some(common.at);
                Self::Verdict(said)
            }
            "report" => {
                let Report {
                    uid,
                    image,
                    outcome,
                    marked,
                } = serde_json::from_slice(from)?;
                Self::Report {
                    uid,
                    image,
                    outcome,
                    marked,
                }
            }
            "undone" => {
                let OfUndone { uid, undone } = serde_json::from_slice(from)?;
                Self::Undone { uid, undone }
            }
            "aftermath" => {
                let Aftermath { uid, became } = serde_json::from_slice(from)?;
                let started = match became.as_str() {
                    "started" => Some(true),
                    "ended" => Some(false),
                    _ => None,
                };
                Self::Aftermath { uid, started }
            }
            "would-fail-then-started" => Self::Aftermath {
                uid: serde_json::from_slice::<Pod>(from)?.uid,
                started: Some(true),
            },
            "left" => {
                let Left { uid, written, view } = serde_json::from_slice(from)?;
                Self::Left { uid, written, view }
            }
            "forgotten" => Self::Forgotten(serde_json::from_slice::<Pod>(from)?.uid),
            "failure" | "heal" | "write" => Self::Told,
            _ => return Ok(None),
        }))
    }
}
