//! Namespaces in the form of the log: their labels, and beside them the annotations of those that have
//! some.

use std::collections::BTreeMap;

use super::line::{Head, OfNamespaces, Texts};
use crate::judge::{NamespaceView, Namespaces};

/// Returns the labels of namespaces, and the annotations of those that have some.
pub(super) fn written(namespaces: &Namespaces) -> (Texts, Texts) {
    let labels = |(name, view): (&String, &NamespaceView)| (name.clone(), view.labels.clone());
    let annotated = namespaces
        .iter()
        .filter(|(_, view)| !view.annotations.is_empty());
    let annotations = annotated.map(|(name, view)| (name.clone(), view.annotations.clone()));
    (
        namespaces.iter().map(labels).collect(),
        annotations.collect(),
    )
}

fn read(labels: &Texts, annotations: &Texts) -> Namespaces {
    let of = |(name, labels): (&String, &BTreeMap<String, String>)| {
        let view = NamespaceView {
            labels: labels.clone(),
            annotations: annotations.get(name).cloned().unwrap_or_default(),
        };
        (name.clone(), view)
    };
    labels.iter().map(of).collect()
}

impl OfNamespaces {
    /// All namespaces that are known now.
    pub fn known(&self) -> Namespaces {
        read(&self.namespaces, &self.namespace_annotations)
    }
}

impl Head {
    /// The namespaces that were known.
    pub fn known_namespaces(&self) -> Namespaces {
        let none = Texts::new();
        let labels = self.namespaces.as_ref().unwrap_or(&none);
        read(labels, &self.namespace_annotations)
    }
}
