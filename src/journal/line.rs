//! Lines of the journal, without their times. A replay reads the same structs that the agent
//! writes. `docs/pulls.schema.json` describes them for other readers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fleet::Closed;
use crate::judge::{BrakeMemory, Kept, Ledger, Moment, Outcome, PodId, PodView, Undone};

/// Names and texts by namespace.
pub type Texts = BTreeMap<String, BTreeMap<String, String>>;

/// One line.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Line {
    /// The agent has started.
    Start(Box<Head>),
    /// A new file of the journal has begun.
    Continued(Box<Head>),
    /// The configuration has changed.
    Configuration(Configuration),
    /// A namespace was read.
    Labels(OfNamespaces),
    /// An image has come to the node while something failed.
    Image(Image),
    /// A Pod was reported.
    View(View),
    /// Time has passed, and that changed a verdict.
    Clock {},
    /// A failed pull was counted.
    Failure(Failure),
    /// An image was pulled after failures.
    Heal(Heal),
    /// A verdict that differs from the one before, or was given on something new.
    Verdict(Verdict),
    /// A request about a Pod was made.
    Write(Write),
    /// The report on a Pod ended.
    Report(Report),
    /// A try to revert our conditions has ended.
    Undone(OfUndone),
    /// The API server was asked what became of a Pod that had left Pending.
    Aftermath(OfAftermath),
    /// A Pod that would have been failed has started.
    WouldFailThenStarted(WouldFailThenStarted),
    /// A Pod is not Pending any more, or gone.
    Left(Left),
    /// A Pod has not been on the node for long, and is forgotten.
    Forgotten(Forgotten),
}

impl Line {
    /// Namespace and name of the Pod that the line is about.
    pub fn of(&self) -> Option<(&str, &str)> {
        let of = match self {
            Self::View(line) => return Some((&line.view.namespace, &line.view.name)),
            Self::Failure(line) => &line.of,
            Self::Heal(line) => &line.of,
            Self::Verdict(line) => &line.of,
            Self::Write(line) => &line.of,
            Self::Report(line) => &line.of,
            Self::Undone(line) => &line.of,
            Self::Aftermath(line) => &line.of,
            Self::WouldFailThenStarted(line) => &line.of,
            Self::Left(line) => &line.of,
            _ => return None,
        };
        Some((&of.namespace, &of.pod))
    }
}

/// The Pod that a line is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfPod {
    /// `metadata.namespace`.
    #[serde(default)]
    pub namespace: String,
    /// `metadata.name`.
    #[serde(default)]
    pub pod: String,
    /// `metadata.uid`.
    pub uid: String,
}

impl OfPod {
    /// Identity of the Pod.
    pub fn id(&self) -> PodId {
        PodId {
            uid: self.uid.clone(),
            namespace: self.namespace.clone(),
            name: self.pod.clone(),
        }
    }
}

impl From<&PodId> for OfPod {
    fn from(pod: &PodId) -> Self {
        Self {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            uid: pod.uid.clone(),
        }
    }
}

/// The beginning of a run, or of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    /// The agent's version.
    #[serde(default)]
    pub version: String,
    /// The node.
    pub node: String,
    /// The kernel's name for this boot.
    pub boot: String,
    /// Fate of an earlier run's counts: `kept`, `none` or `damaged`. Only where a run begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<String>,
    /// The configuration, as far as verdicts depend on it.
    pub config: Value,
    /// Everything that was known; `None` if that is nothing, or too much for a line.
    pub state: Option<State>,
    /// Labels of namespaces that were known. Only where a file begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Texts>,
    /// Annotations of namespaces that the judge reads, where there are some.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespace_annotations: Texts,
    /// The Pods that were being judged. Only where a file begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views: Option<Vec<PodView>>,
}

/// State that the judge keeps, in the form of the state file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// Moment until which no Pod is failed.
    pub warm_up_until: Moment,
    /// Memory of the brakes.
    pub brake: BrakeMemory,
    /// Counts.
    pub ledger: Ledger,
}

impl From<Kept> for State {
    fn from(kept: Kept) -> Self {
        Self {
            warm_up_until: kept.warm_up_until,
            brake: kept.memory,
            ledger: kept.ledger,
        }
    }
}

impl From<State> for Kept {
    fn from(state: State) -> Self {
        Self {
            warm_up_until: state.warm_up_until,
            memory: state.brake,
            ledger: state.ledger,
        }
    }
}

/// See [`Line::Configuration`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Configuration {
    /// The configuration, as far as verdicts depend on it.
    pub config: Value,
}

/// See [`Line::Labels`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OfNamespaces {
    /// All labels that are known now, by namespace.
    pub namespaces: Texts,
    /// Annotations of namespaces that the judge reads, where there are some.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespace_annotations: Texts,
    /// The namespace that was read.
    pub namespace: String,
}

/// See [`Line::Image`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Image {
    /// Its tag or digest.
    pub image: String,
    /// Time of arrival, if the lists before and after it were close together.
    pub came: Option<Moment>,
}

/// See [`Line::View`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct View {
    /// The report.
    pub view: Box<PodView>,
}

/// See [`Line::Failure`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The Pod.
    #[serde(flatten)]
    pub of: OfPod,
    /// The image.
    pub image: String,
    /// Name of the cause.
    pub cause: String,
    /// Name of the cause's class.
    pub class: String,
    /// Number of failures counted so far.
    pub failures: u32,
    /// The failure itself was not seen, but the pause after it.
    pub inferred: bool,
    /// The error.
    pub error: String,
}

/// See [`Line::Heal`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Heal {
    /// The Pod.
    #[serde(flatten)]
    pub of: OfPod,
    /// The image.
    pub image: String,
}

/// See [`Line::Verdict`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The Pod.
    #[serde(flatten)]
    pub of: OfPod,
    /// `settle`, `wait`, `hold` or `condemn`.
    pub decision: String,
    /// The Pod may be written to, for `condemn`.
    #[serde(default)]
    pub enforce: Option<bool>,
    /// Images with a newly counted failure.
    #[serde(default)]
    pub failed: Vec<String>,
    /// Images with a failure that was inferred from the pause after it.
    #[serde(default)]
    pub inferred: Vec<String>,
    /// Images that were pulled after failures.
    #[serde(default)]
    pub healed: Vec<String>,
    /// Names of the brakes that hold it.
    #[serde(default)]
    pub brakes: Vec<String>,
    /// The reasons.
    pub reasons: Vec<String>,
}

/// See [`Line::Write`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Write {
    /// The Pod.
    #[serde(flatten)]
    pub of: OfPod,
    /// `look`, `dry-run`, `condition`, `deadline`, `delete`, `take-back`, `event` or
    /// `owner-event`.
    pub step: String,
    /// `ok`, or what was answered.
    pub result: String,
}

/// See [`Line::Report`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The Pod.
    #[serde(flatten)]
    pub of: OfPod,
    /// The image.
    pub image: String,
    /// `written`, `due`, `spared`, `gone`, `denied`, `held` or `failed`.
    #[serde(default)]
    pub ending: String,
    /// Meaning of that for judging the Pod again.
    pub outcome: Outcome,
    /// A condition of ours may be True.
    pub marked: bool,
    /// The reason; empty where the ending says it all.
    #[serde(default)]
    pub detail: String,
    /// The admission plugin that refused a write, in a phrase, if the API server names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Parts of the fleet budget that had no place for the Pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<Closed>,
}

/// See [`Line::Undone`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OfUndone {
    /// The Pod.
    #[serde(flatten)]
    pub of: OfPod,
    /// `clear`, `written` or `standing`.
    pub undone: Undone,
}

/// See [`Line::Aftermath`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OfAftermath {
    /// The Pod.
    #[serde(flatten)]
    pub of: OfPod,
    /// `started`, `ended` or `unknown`.
    pub became: String,
}

/// See [`Line::WouldFailThenStarted`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WouldFailThenStarted {
    /// The Pod.
    #[serde(flatten)]
    pub of: OfPod,
    /// The image for which the Pod would have been failed.
    pub image: String,
    /// Reason why it was not: `observing`, `held` or `spared`.
    pub because: String,
}

/// See [`Line::Left`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Left {
    /// The Pod.
    #[serde(flatten)]
    pub of: OfPod,
    /// Both writes had been made.
    pub written: bool,
    /// The Pod as it is now, where the source reports it.
    pub view: Option<Box<PodView>>,
}

/// See [`Line::Forgotten`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Forgotten {
    /// UID of the Pod.
    pub uid: String,
}
