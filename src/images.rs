//! The images on the node, and which of them are new.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::judge::Moment;
use crate::text::digest::digest;

/// Lists closer together than this tell when an image came.
const CLOSE: Duration = Duration::from_secs(60);

/// The images on the node when it was last asked: what is new since was pulled. Kept in the state file, as digests of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    known: Option<BTreeSet<u64>>,
    #[serde(skip)]
    listed: Option<Moment>,
}

/// An image that came to the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its tag or digest.
    pub image: String,
    /// Moment of the list that shows it; `None` if that list was not close to the one before.
    pub at: Option<Moment>,
}

impl Images {
    /// Returns whether nothing was listed yet on this boot. Images that came cannot be told from those that were there.
    pub fn is_unknown(&self) -> bool {
        self.known.is_none()
    }

    /// Takes up a list. What is new on it has been pulled; on a first list nothing is new.
    pub fn update(&mut self, found: Vec<String>, now: Moment) -> Vec<Arrival> {
        let close = self.listed.is_some_and(|listed| now.since(listed) <= CLOSE);
        self.listed = Some(now);
        let names: BTreeSet<u64> = found.iter().map(|name| digest(name)).collect();
        let before = self.known.replace(names);
        let Some(before) = before else {
            return Vec::new();
        };
        let new = found
            .into_iter()
            .filter(|name| !before.contains(&digest(name)));
        let at = close.then_some(now);
        new.map(|image| Arrival { image, at }).collect()
    }

    /// The node was started anew: what is on it now was there before anything was pulled.
    pub fn rebooted(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_new_was_pulled() {
        let mut images = Images::default();
        assert!(
            images.update(list(&["a", "b"]), at(0)).is_empty(),
            "who knows since when"
        );
        let arrival = |at| Arrival {
            image: "c".to_owned(),
            at,
        };
        assert_eq!(
            images.update(list(&["a", "c"]), at(5)),
            [arrival(Some(at(5)))]
        );
        assert!(images.update(list(&["a"]), at(10)).is_empty());
        assert_eq!(
            images.update(list(&["a", "c"]), at(600)),
            [arrival(None)],
            "some time since"
        );
    }
}
