//! Defaults that a Namespace's annotations give to its Pods.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::annotation::Wishes;

/// Namespaces by their names.
pub type Namespaces = BTreeMap<String, NamespaceView>;

/// Namespace as the API server reports it: the parts that rules use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceView {
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// Annotations that the judge reads.
    pub annotations: BTreeMap<String, String>,
}

/// Failure counts that a Namespace's annotations may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountRange {
    /// The least. A lower count counts as this one.
    pub least: NonZeroU32,
    /// The most, if there is one. A higher count counts as this one.
    pub most: Option<NonZeroU32>,
}

impl CountRange {
    /// Returns the count in the range that is nearest to this one.
    pub fn nearest(&self, count: NonZeroU32) -> NonZeroU32 {
        let count = count.max(self.least);
        self.most.map_or(count, |most| count.min(most))
    }

    /// Returns the wishes of a Namespace, with counts in the range.
    pub fn wishes(&self, namespace: &NamespaceView) -> Wishes {
        let mut wishes = Wishes::of(&namespace.annotations);
        let counts = wishes.containers.values_mut().chain(&mut wishes.count);
        for count in counts {
            *count = self.nearest(*count);
        }
        wishes
    }
}
