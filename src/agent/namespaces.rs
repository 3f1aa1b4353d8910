//! Reads of namespaces: only where rules use their labels or annotations, and only while a Pod of
//! the namespace is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tracing::{debug, warn};

use crate::evidence::Lost;
use crate::judge::{Moment, NamespaceView, Namespaces};
use crate::report::LONGEST_PAUSE;

/// A namespace is read again after this.
const FRESH: Duration = Duration::from_secs(300);

/// First pause after a failed try. Each is twice the one before, up to [`FRESH`].
const PAUSE: Duration = Duration::from_secs(10);

/// The namespaces that were read.
#[derive(Debug, Default)]
pub(super) struct NamespaceReader {
    asked: BTreeMap<String, Asked>,
    /// The namespaces that are known. They stay until they are read again.
    known: Namespaces,
}

#[derive(Debug)]
struct Asked {
    /// Time from which it is read again.
    due: Moment,
    /// Pause after the next failed try, before jitter.
    pause: Duration,
    /// The last try failed, and that was said.
    failed: bool,
}

impl NamespaceReader {
    /// Begins a try unless the namespace was read lately. `share` tells this node from the others. Returns
    /// whether the API server is to be asked.
    pub(super) fn begins(&mut self, name: &str, now: Moment, share: f64) -> bool {
        let before = self.asked.get(name);
        if before.is_some_and(|before| now < before.due) {
            return false;
        }
        let pause = before.map_or(PAUSE, |before| before.pause);
        let asked = Asked {
            due: now.after(pause.mul_f64(1.0 + share)),
            pause: (pause * 2).min(FRESH),
            failed: before.is_some_and(|before| before.failed),
        };
        self.asked.insert(name.to_owned(), asked);
        true
    }

    /// Takes up an answer. A pause that the API server asks for is added, up to a minute. Returns all
    /// namespaces that are known now, if the answer is one.
    pub(super) fn take(
        &mut self,
        name: &str,
        found: Result<NamespaceView, Lost>,
        now: Moment,
    ) -> Option<Namespaces> {
        let found = match found {
            Ok(found) => found,
            Err(Lost { why: error, asked }) => {
                let pause = asked.unwrap_or_default().min(LONGEST_PAUSE);
                let next = self.asked.get_mut(name);
                let is_known = next.is_some_and(|next| {
                    next.due = next.due.after(pause);
                    std::mem::replace(&mut next.failed, true)
                });
                if !is_known {
                    warn!(namespace = name, %error, "the namespace cannot be read: its labels and annotations of before hold, verdicts on its Pods wait if there are none");
                }
                return None;
            }
        };
        debug!(namespace = name, "namespace read");
        let asked = Asked {
            due: now.after(FRESH),
            pause: PAUSE,
            failed: false,
        };
        self.asked.insert(name.to_owned(), asked);
        self.known.insert(name.to_owned(), found);
        self.known.retain(|name, _| self.asked.contains_key(name));
        Some(self.known.clone())
    }

    /// Forgets the namespaces without a Pod that is judged, as soon as they are due again.
    pub(super) fn keep(&mut self, judged: &BTreeSet<&str>, now: Moment) {
        self.asked
            .retain(|name, asked| judged.contains(name.as_str()) || now < asked.due);
    }
}
