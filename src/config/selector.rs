//! Label selectors as they are written, in the form of Kubernetes.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kinds::Scalar;
use crate::judge::{Requirement, Selector};

/// Label selector, as in Kubernetes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping")]
pub(super) struct Labels {
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
            true => Err("the selector requires nothing, so it would take everything"),
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

impl From<Selector> for Labels {
    fn from(Selector(requirements): Selector) -> Self {
        Self {
            match_labels: BTreeMap::new(),
            match_expressions: requirements.into_iter().map(Expression::from).collect(),
        }
    }
}

/// Returns the texts of a list.
pub(super) fn texts(scalars: Vec<Scalar>) -> BTreeSet<String> {
    scalars.into_iter().map(|Scalar(text)| text).collect()
}
