use std::fmt;

use super::PodView;

/// Identity of one Pod. Another Pod of the same name has another UID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl PodId {
    /// Identity of the Pod that a view shows.
    pub fn of(view: &PodView) -> Self {
        Self {
            uid: view.uid.clone(),
            namespace: view.namespace.clone(),
            name: view.name.clone(),
        }
    }
}

impl fmt::Display for PodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
