//! One Pod under the policies of a replay, and the row that is printed of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::fleet::Token;
use crate::judge::{Cause, FailRequest, Outcome};

/// One Pod under one policy.
#[derive(Clone, Debug, Default)]
pub(super) struct Case {
    /// The request to fail it: the first that would have been carried out, else the last.
    pub(super) condemned: Option<Sentence>,
    /// Reasons why it was spared, with the first time of each.
    pub(super) spared: BTreeMap<String, Timestamp>,
    /// The brakes that held it, and since when.
    pub(super) held: BTreeMap<&'static str, Timestamp>,
    /// Time at which the image got past its pull, after the threshold was reached.
    pub(super) healed: Option<Timestamp>,
}

/// A Pod whose time had come.
#[derive(Clone, Debug)]
pub(super) struct Sentence {
    pub(super) time: Timestamp,
    pub(super) image: String,
    pub(super) cause: Cause,
    pub(super) failures: u32,
    pub(super) lasting: Duration,
    pub(super) enforce: bool,
    /// Outcome of the report; `None` while that is not known.
    pub(super) outcome: Option<Outcome>,
    /// The Pod's token of the fleet budget; `None` if it needs none.
    pub(super) token: Option<Token>,
    /// Another Pod of the same owner was failed for the image on this node.
    pub(super) repeats: bool,
}

impl Sentence {
    pub(super) fn of(condemned: &FailRequest, token: Option<Token>, time: Timestamp) -> Self {
        Self {
            time,
            image: condemned.image.clone(),
            cause: condemned.cause,
            failures: condemned.failures,
            lasting: condemned.lasting,
            enforce: condemned.enforce,
            outcome: None,
            token,
            repeats: condemned.known_bad,
        }
    }
}

/// Decision of a policy about a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It would have been failed (or deleted).
    Failed,
    /// Observing: it would have been said that it would be failed.
    WouldFail,
    /// Its time had come, and it was spared.
    Spared,
    /// Its time had come, and a brake held it as long as the record goes.
    Held,
    /// The write was not made: forbidden, or without an answer.
    NotWritten,
    /// It would have waited on.
    Waited,
}

impl Decision {
    /// The word in the output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::WouldFail => "would-fail",
            Self::Spared => "spared",
            Self::Held => "held",
            Self::NotWritten => "not-written",
            Self::Waited => "waited",
        }
    }

    /// Returns whether the Pod would have been failed, by an agent that may write.
    pub const fn fails(self) -> bool {
        matches!(self, Self::Failed | Self::WouldFail)
    }
}

impl Case {
    /// Returns whether its request has been carried out.
    pub(super) fn is_over(&self) -> bool {
        self.decision().fails()
    }

    /// Returns whether it was failed, not only announced.
    pub(super) fn is_failed(&self) -> bool {
        self.decision() == Decision::Failed
    }

    pub(super) fn decision(&self) -> Decision {
        let outcome = self.condemned.as_ref().map(|sentence| sentence.outcome);
        match outcome {
            Some(Some(Outcome::Written)) => Decision::Failed,
            Some(Some(Outcome::Due)) => Decision::WouldFail,
            Some(Some(Outcome::Fleet)) => Decision::Held,
            Some(Some(
                Outcome::Refused
                | Outcome::Barred
                | Outcome::Unguarded
                | Outcome::Off
                | Outcome::Denied,
            )) => Decision::NotWritten,
            Some(Some(
                Outcome::SparedByRuntime | Outcome::MovedOn | Outcome::Spared | Outcome::Gone,
            )) => Decision::Spared,
            // Nobody knows how the report ended.
            Some(None) => Decision::NotWritten,
            None if !self.spared.is_empty() => Decision::Spared,
            None if !self.held.is_empty() => Decision::Held,
            None => Decision::Waited,
        }
    }
}

/// One Pod, when the record tells no more of it: what each policy would have done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The node.
    pub node: String,
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod's name.
    pub pod: String,
    /// The Pod's UID.
    pub uid: String,
    /// Fate of the Pod by the record.
    pub fate: Fate,
    /// Time at which the Pod left, or at which the record ends.
    pub until: Timestamp,
    /// The policies differ about it.
    pub differs: bool,
    /// One for each policy, in the order in which they were given.
    pub policies: Vec<Finding>,
}

/// Fate of a Pod by the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It started.
    Started,
    /// The agent has failed it.
    Failed,
    /// It ended otherwise, without having started.
    Ended,
    /// It is not Pending any more; whether it started the record does not tell.
    Unknown,
    /// It is still there where the record ends.
    Pending,
}

impl Fate {
    /// The same in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "it started",
            Self::Failed => "the agent failed it",
            Self::Ended => "it ended otherwise",
            Self::Unknown => "what became of it is not recorded",
            Self::Pending => "it is still there where the record ends",
        }
    }
}

/// Result of one policy for a Pod.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The policy.
    pub policy: String,
    /// The decision.
    pub decision: Decision,
    /// Time at which its threshold was reached.
    pub time: Option<Timestamp>,
    /// The image that could not be pulled.
    pub image: Option<String>,
    /// Cause of its failures.
    pub cause: Option<&'static str>,
    /// The failures that were counted.
    pub failures: Option<u32>,
    /// Seconds from the first of them.
    pub lasting: Option<u64>,
    /// The decision was wrong: the Pod started after all. `None` where the record does not say.
    pub wrong: Option<bool>,
    /// Time at which the image got past its pull; `None` if the record does not show it.
    pub healed: Option<Timestamp>,
    /// Reasons why it was spared, with the first time of each.
    pub spared: BTreeMap<String, Timestamp>,
    /// The brakes that held it, and since when.
    pub held: BTreeMap<&'static str, Timestamp>,
}

impl Finding {
    pub(super) fn of(policy: &str, case: &Case, fate: Fate) -> Self {
        let decision = case.decision();
        let sentence = case.condemned.as_ref();
        let wrong = match (decision.fails(), case.healed, fate) {
            (false, ..) => Some(false),
            (true, Some(_), _) | (true, None, Fate::Started) => Some(true),
            (true, None, Fate::Ended) => Some(false),
            (true, None, Fate::Failed | Fate::Unknown | Fate::Pending) => None,
        };
        Self {
            policy: policy.to_owned(),
            decision,
            time: sentence.map(|sentence| sentence.time),
            image: sentence.map(|sentence| sentence.image.clone()),
            cause: sentence.map(|sentence| sentence.cause.as_str()),
            failures: sentence.map(|sentence| sentence.failures),
            lasting: sentence.map(|sentence| sentence.lasting.as_secs()),
            wrong,
            healed: case.healed,
            spared: case.spared.clone(),
            held: case.held.clone(),
        }
    }

    /// Returns whether another policy decides the same, at the same moment.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let heart = |f: &Self| (f.decision, f.time, f.image.clone(), f.cause);
        heart(self) == heart(other)
    }
}
