//! Rules for namespaces as they are written: the selector as Kubernetes has it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kinds::{Scalar, Word, Words};
use crate::judge::{NamespaceRule, PodMode, Requirement, Selector};

/// Rule for namespaces that names some, and asks for something that labels can have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "Written")]
pub struct Rule(pub(super) NamespaceRule);

/// Rule as it stands in the file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
struct Written {
    /// The namespaces' names.
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<BTreeSet<Scalar>>,
    /// What the namespaces' labels must be like.
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

/// Label selector.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping")]
struct Labels {
    /// Labels that must have these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    match_labels: BTreeMap<Scalar, Scalar>,
    /// Requirements that must all be met.
    #[serde(default)]
    match_expressions: Vec<Expression>,
}

/// Requirement on one label.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "operator", deny_unknown_fields)]
enum Expression {
    /// The label is there and has one of the values.
    In {
        key: Scalar,
        values: BTreeSet<Scalar>,
    },
    /// The label is not there, or has none of the values.
    NotIn {
        key: Scalar,
        values: BTreeSet<Scalar>,
    },
    /// The label is there.
    Exists { key: Scalar },
    /// The label is not there.
    DoesNotExist { key: Scalar },
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

impl TryFrom<Labels> for Selector {
    type Error = &'static str;

    fn try_from(labels: Labels) -> Result<Self, Self::Error> {
        let label = |(key, value)| Expression::In {
            key,
            values: [value].into(),
        };
        let labelled = labels.match_labels.into_iter().map(label);
        let expressions = labelled.chain(labels.match_expressions);
        let requirements: Vec<_> = expressions
            .map(Requirement::try_from)
            .collect::<Result<_, _>>()?;
        match requirements.is_empty() {
            true => Err("the selector requires nothing, so it would take every namespace"),
            false => Ok(Self(requirements)),
        }
    }
}

impl TryFrom<Expression> for Requirement {
    type Error = &'static str;

    fn try_from(expression: Expression) -> Result<Self, Self::Error> {
        let requirement = match expression {
            Expression::In { key, values } => Self::In(key.0, texts(values)),
            Expression::NotIn { key, values } => Self::NotIn(key.0, texts(values)),
            Expression::Exists { key } => Self::Exists(key.0),
            Expression::DoesNotExist { key } => Self::DoesNotExist(key.0),
        };
        match &requirement {
            Self::In(key, _)
            | Self::NotIn(key, _)
            | Self::Exists(key)
            | Self::DoesNotExist(key)
                if key.is_empty() =>
            {
                Err("the selector has an empty key")
            }
            Self::In(_, values) | Self::NotIn(_, values) if values.is_empty() => {
                Err("the operators In and NotIn need values")
            }
            _ => Ok(requirement),
        }
    }
}

impl From<Requirement> for Expression {
    fn from(requirement: Requirement) -> Self {
        let scalars = |values: BTreeSet<String>| values.into_iter().map(Scalar).collect();
        match requirement {
            Requirement::In(key, values) => Self::In {
                key: Scalar(key),
                values: scalars(values),
            },
            Requirement::NotIn(key, values) => Self::NotIn {
                key: Scalar(key),
                values: scalars(values),
            },
            Requirement::Exists(key) => Self::Exists { key: Scalar(key) },
            Requirement::DoesNotExist(key) => Self::DoesNotExist { key: Scalar(key) },
        }
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

impl From<Selector> for Labels {
    fn from(Selector(requirements): Selector) -> Self {
        Self {
            match_labels: BTreeMap::new(),
            match_expressions: requirements.into_iter().map(Expression::from).collect(),
        }
    }
}

fn texts(scalars: BTreeSet<Scalar>) -> BTreeSet<String> {
    scalars.into_iter().map(|Scalar(text)| text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_are_read_as_kubernetes_writes_selectors() {
        let read: Vec<Rule> = serde_json::from_value(json!([
            {"names": ["a", "b"], "mode": "off"},
            {"selector": {"matchLabels": {"env": "prod"},
                "matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["x"]}]}, "mode": "observe"},
        ]))
        .unwrap();
        assert_eq!((read[0].0.mode, read[0].0.names.len()), (PodMode::Off, 2));
        let selector = read[1].0.selector.as_ref().unwrap();
        let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pairs = pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            pairs.collect()
        };
        assert!(selector.matches(&labels(&[("env", "prod")])));
        assert!(!selector.matches(&labels(&[("env", "prod"), ("team", "x")])));
        assert!(!selector.matches(&labels(&[])));
    }
}
