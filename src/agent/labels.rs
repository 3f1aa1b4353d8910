//! When the labels of a namespace are asked for: only where a rule goes by them, and only while a
//! Pod of the namespace is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tracing::{debug, warn};

use crate::judge::{Labels, Moment};

/// Labels are asked for again after this.
const FRESH: Duration = Duration::from_secs(300);

/// First pause after a failed try. Each is twice the one before, up to [`FRESH`].
const PAUSE: Duration = Duration::from_secs(10);

/// The namespaces whose labels were asked for.
#[derive(Debug, Default)]
pub(super) struct LabelReader {
    asked: BTreeMap<String, Asked>,
    /// The labels that are known. They stay until new ones come.
    known: Labels,
}

#[derive(Debug)]
struct Asked {
    /// Time from which they are asked for again.
    due: Moment,
    /// Pause after the next failed try, before jitter.
    pause: Duration,
    /// The last try failed, and that was said.
    failed: bool,
}

impl LabelReader {
    /// Begins a try unless the labels are fresh. `share` tells this node from the others. Returns
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

    /// Takes up an answer. Returns all labels that are known now, if the answer is one.
    pub(super) fn take(
        &mut self,
        name: &str,
        labels: Result<BTreeMap<String, String>, String>,
        now: Moment,
    ) -> Option<Labels> {
        let labels = match labels {
            Ok(labels) => labels,
            Err(error) => {
                let asked = self.asked.get_mut(name);
                if !asked.is_some_and(|asked| std::mem::replace(&mut asked.failed, true)) {
                    warn!(namespace = name, %error, "the namespace's labels cannot be read: those of before hold, verdicts on its Pods wait if there are none");
                }
                return None;
            }
        };
        debug!(namespace = name, "labels read");
        let asked = Asked {
            due: now.after(FRESH),
            pause: PAUSE,
            failed: false,
        };
        self.asked.insert(name.to_owned(), asked);
        self.known.insert(name.to_owned(), labels);
        self.known.retain(|name, _| self.asked.contains_key(name));
        Some(self.known.clone())
    }

    /// Forgets the namespaces without a Pod that is judged, as soon as their labels are not fresh.
    pub(super) fn keep(&mut self, judged: &BTreeSet<&str>, now: Moment) {
        self.asked
            .retain(|name, asked| judged.contains(name.as_str()) || now < asked.due);
    }
}
