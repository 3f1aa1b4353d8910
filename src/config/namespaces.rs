//! Rules for namespaces as they are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kinds::{Scalar, Word, Words};
use super::selector::{Labels, texts};
use crate::judge::{NamespaceRule, PodMode, Selector};

/// Rule that lowers the mode in some namespaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "Written")]
pub struct Rule(pub(super) NamespaceRule);

/// Rule as it stands in the file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
struct Written {
    /// The namespaces' names.
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<Vec<Scalar>>,
    /// The labels that the namespaces must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<Labels>,
    /// The most that the agent may do in these namespaces.
    mode: Option<Word<Lowered>>,
}

/// Mode that is lower than the node's.
#[derive(Clone, Copy, Debug)]
struct Lowered(PodMode);

impl Words for Lowered {
    const ALL: &'static [Self] = &[Self(PodMode::Off), Self(PodMode::Observe)];

    fn word(self) -> &'static str {
        self.0.as_str()
    }
}

impl TryFrom<Written> for Rule {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        if written.names.is_none() && written.selector.is_none() {
            return Err("has neither names nor a selector");
        }
        let names = texts(written.names.unwrap_or_default());
        let selector = written.selector.map(Selector::try_from).transpose()?;
        let Word(Lowered(mode)) = written.mode.ok_or("has no mode: off or observe")?;
        Ok(Self(NamespaceRule {
            names,
            selector,
            mode,
        }))
    }
}

impl From<Rule> for Written {
    fn from(Rule(rule): Rule) -> Self {
        // A rule has one of the two, even if it names nothing.
        let names = !rule.names.is_empty() || rule.selector.is_none();
        Self {
            names: names.then(|| rule.names.into_iter().map(Scalar).collect()),
            selector: rule.selector.map(Labels::from),
            mode: Some(Word(Lowered(rule.mode))),
        }
    }
}
