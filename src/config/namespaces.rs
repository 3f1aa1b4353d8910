//! Rules for namespaces as they are written: the selector as Kubernetes has it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kinds::{Scalar, Word, Words};
use crate::judge::{NamespaceRule, PodMode, Requirement, Selector};

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
#[serde(deny_unknown_fields, expecting = "a mapping")]
struct Expression {
    /// The label's key.
    key: Scalar,
    /// The relation of the label to the values.
    operator: Operator,
    /// The values; none with `Exists` and `DoesNotExist`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<Scalar>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
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
        let label = |(key, value)| Expression {
            key,
            operator: Operator::In,
            values: vec![value],
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
        let Expression {
            key: Scalar(key),
            operator,
            values,
        } = expression;
        match (operator, values.is_empty()) {
            _ if key.is_empty() => Err("the selector has an empty key"),
            (Operator::In, false) => Ok(Self::In(key, texts(values))),
            (Operator::NotIn, false) => Ok(Self::NotIn(key, texts(values))),
            (Operator::Exists, true) => Ok(Self::Exists(key)),
            (Operator::DoesNotExist, true) => Ok(Self::DoesNotExist(key)),
            (_, true) => Err("the operators In and NotIn need values"),
            (_, false) => Err("the operators Exists and DoesNotExist take no values"),
        }
    }
}

impl From<Requirement> for Expression {
    fn from(requirement: Requirement) -> Self {
        let (key, operator, values) = match requirement {
            Requirement::In(key, values) => (key, Operator::In, values),
            Requirement::NotIn(key, values) => (key, Operator::NotIn, values),
            Requirement::Exists(key) => (key, Operator::Exists, BTreeSet::new()),
            Requirement::DoesNotExist(key) => (key, Operator::DoesNotExist, BTreeSet::new()),
        };
        Self {
            key: Scalar(key),
            operator,
            values: values.into_iter().map(Scalar).collect(),
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

fn texts(scalars: Vec<Scalar>) -> BTreeSet<String> {
    scalars.into_iter().map(|Scalar(text)| text).collect()
}
