//! Reasons why the agent only observes a Pod.

use crate::judge::ANNOTATION_MODE;

/// Reason why the agent only observes a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observing {
    /// The node's mode is `observe`.
    Node,
    /// The node's mode is `opt-in`, and neither the Pod nor its namespace asks.
    NotAsked,
    /// The Pod's annotation.
    Pod,
    /// The annotation of its Namespace.
    Namespace,
    /// A rule of `scope.namespaces`.
    Rule,
    /// No rule of `scope.pods` names the Pod.
    OutOfScope,
}

impl Observing {
    /// Returns the sentence for people.
    pub fn text(self) -> String {
        match self {
            Self::Node => "the node's mode is observe".to_owned(),
            Self::NotAsked => format!(
                "the node's mode is opt-in, and no annotation {ANNOTATION_MODE}: enforce asks"
            ),
            Self::Pod => format!("the Pod's annotation {ANNOTATION_MODE}: observe"),
            Self::Namespace => format!("the Namespace's annotation {ANNOTATION_MODE}: observe"),
            Self::Rule => "a rule of scope.namespaces observes the namespace".to_owned(),
            Self::OutOfScope => {
                "the Pod is out of scope: no rule of scope.pods names it".to_owned()
            }
        }
    }
}
