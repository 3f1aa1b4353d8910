use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cause::Waiting;
use super::text::printable;
use super::{Cause, Class, ContainerState, ContainerView, Moment, PodView};

/// What was counted, per Pod UID and image reference. Kept in the state file.
///
/// A failure is a container's waiting state *entering* an attempt reason, or entering it again with another message. A transition that
/// nobody saw makes a count too low, never too high.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    pods: BTreeMap<String, PodRecord>,
}

/// What is known of one Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRecord {
    /// The Pod's namespace, for people.
    pub namespace: String,
    /// The Pod's name, for people.
    pub name: String,
    /// The newest `resourceVersion` seen; an older view is ignored.
    resource_version: String,
    /// When the Pod was last known to be on the node.
    last_known: Moment,
    /// The state each container was last seen in.
    containers: BTreeMap<String, LastState>,
    /// The counts, by image reference as the spec has it.
    pub images: BTreeMap<String, ImageRecord>,
    /// How far the report on this Pod has come.
    pub stage: Stage,
}

/// How far the report on a Pod has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Nothing was reported.
    #[default]
    Watching,
    /// Observing: the Event that says what would have been done was written.
    Announced,
    /// The report has begun; the condition may have been written.
    Writing,
    /// The report ended after the condition was written and before the deadline was: it must be taken back, or completed.
    Marked,
    /// Both writes were made, at this moment: the kubelet is about to end the Pod.
    Written(Moment),
}

/// The counts of one image in one Pod, since it last got past its pull.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Failed attempts.
    pub failures: u32,
    /// When the first of them was seen; unknown after a reboot until the next.
    pub since: Option<Moment>,
    /// Failures in a row of the classes permanent, denied and corrupt, in any mix: what `imagePullFailureCount` counts.
    pub in_a_row: u32,
    /// Per class: consecutive failures of that class or of less patient ones.
    pub rows: BTreeMap<Class, Row>,
    /// A reason without attempts that stands now, and since when.
    pub standing: Option<Standing>,
    /// The last failed attempt, or the standing reason.
    pub last: Option<LastError>,
}

/// Consecutive failures that count for one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// How many.
    pub failures: u32,
    /// When the first of them was seen; `None` if that was on another boot.
    pub since: Option<Moment>,
}

/// A waiting reason under which no attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its cause.
    pub cause: Cause,
    /// Since when it has been seen; `None` if that was on another boot.
    pub since: Option<Moment>,
}

/// An error as it was reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// What we make of it.
    pub cause: Cause,
    /// Its text, at most 1 KiB, control characters escaped.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LastState {
    image: String,
    state: String,
    message: u64,
}

/// What a view brought that was not known before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The view was older than what is known, and was ignored.
    pub stale: bool,
    /// The state of some container changed.
    pub changed: bool,
    /// Images with a newly reported failure that was counted: what decides.
    pub failed: BTreeSet<String>,
    /// Images first seen in the pause after a failure that nobody saw. It counts, but a pull may be in flight by now.
    pub inferred: BTreeSet<String>,
    /// Images that had failures and got past their pull.
    pub healed: BTreeSet<String>,
}

/// How long a standing reason is left alone after a report that wrote nothing.
const POSTPONED: Duration = Duration::from_secs(300);

/// A Pod that has not been on the node for this long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

impl Ledger {
    /// What is known of a Pod.
    pub fn pod(&self, uid: &str) -> Option<&PodRecord> {
        self.pods.get(uid)
    }

    /// All Pods that something is known of, by UID.
    pub fn pods(&self) -> impl Iterator<Item = (&str, &PodRecord)> {
        self.pods.iter().map(|(uid, record)| (uid.as_str(), record))
    }

    /// Brings the counts up to date with a view of a Pod.
    pub fn observe(&mut self, view: &PodView, now: Moment) -> Observed {
        let record = self
            .pods
            .entry(view.uid.clone())
            .or_insert_with(|| PodRecord {
                namespace: view.namespace.clone(),
                name: view.name.clone(),
                resource_version: String::new(),
                last_known: now,
                containers: BTreeMap::new(),
                images: BTreeMap::new(),
                stage: Stage::Watching,
            });
        record.observe(view, now)
    }

    /// Sets how far the report on a Pod has come. False if nothing is known of it.
    pub fn set_stage(&mut self, uid: &str, stage: Stage) -> bool {
        self.pods
            .get_mut(uid)
            .map(|record| record.stage = stage)
            .is_some()
    }

    /// A report on a Pod ended without a write. A standing reason stands anew in five minutes, as long as the kubelet's longest pause: what has
    /// attempts waits for the next one, and what has none must not be tried at every tick.
    pub fn postpone(&mut self, uid: &str, image: &str, now: Moment) {
        let record = self.pods.get_mut(uid);
        let image = record.and_then(|record| record.images.get_mut(image));
        if let Some(standing) = image.and_then(|image| image.standing.as_mut()) {
            standing.since = Some(now.after(POSTPONED));
        }
    }

    /// Forgets a Pod; what was known of it is returned.
    pub fn forget(&mut self, uid: &str) -> Option<PodRecord> {
        self.pods.remove(uid)
    }

    /// Notes which Pods are on the node and forgets those that have not been for an hour.
    pub fn keep<'a>(&mut self, on_node: impl IntoIterator<Item = &'a str>, now: Moment) -> bool {
        for uid in on_node {
            if let Some(record) = self.pods.get_mut(uid) {
                record.last_known = now;
            }
        }
        let before = self.pods.len();
        self.pods
            .retain(|_, record| now.since(record.last_known) < FORGOTTEN_AFTER);
        self.pods.len() != before
    }

    /// The agent was started anew: whatever report was under way may have got as far as the condition.
    pub fn restarted(&mut self) {
        for record in self.pods.values_mut() {
            if record.stage == Stage::Writing {
                record.stage = Stage::Marked;
            }
        }
    }

    /// The node was started anew: counts stay, but nothing that was measured on the other boot clock does.
    pub fn rebooted(&mut self, now: Moment) {
        for record in self.pods.values_mut() {
            record.last_known = now;
            if matches!(record.stage, Stage::Written(_)) {
                record.stage = Stage::Written(now);
            }
            for image in record.images.values_mut() {
                image.since = None;
                for row in image.rows.values_mut() {
                    row.since = None;
                }
                if let Some(standing) = &mut image.standing {
                    standing.since = None;
                }
            }
        }
    }
}

impl PodRecord {
    fn observe(&mut self, view: &PodView, now: Moment) -> Observed {
        if is_older(&view.resource_version, &self.resource_version) {
            return Observed {
                stale: true,
                ..Observed::default()
            };
        }
        self.resource_version.clone_from(&view.resource_version);
        self.last_known = now;
        let mut observed = Observed::default();

        let images: BTreeSet<&str> = view.containers.iter().map(|c| c.image.as_str()).collect();
        for image in images {
            self.observe_image(view, image, now, &mut observed);
        }
        // An edited image starts at zero, whatever was counted for the one before.
        self.images
            .retain(|image, _| view.containers.iter().any(|c| &c.image == image));

        let states = view
            .containers
            .iter()
            .map(|container| (container.name.clone(), LastState::of(container)))
            .collect();
        observed.changed = self.containers != states;
        self.containers = states;
        observed
    }

    fn observe_image(&mut self, view: &PodView, image: &str, now: Moment, seen: &mut Observed) {
        let mut pulled = false;
        let mut pulling = false;
        let mut failure = None;
        let mut pause = None;
        let mut standing = None;
        for container in view.containers.iter().filter(|c| c.image == image) {
            let entered = self.containers.get(&container.name) != Some(&LastState::of(container));
            let ContainerState::Waiting { reason, message } = &container.state else {
                pulled |= entered;
                continue;
            };
            let error = || LastError {
                cause: Cause::of(reason, message),
                message: printable(if message.is_empty() { reason } else { message }),
            };
            let waiting = Waiting::of(reason);
            pulling |= matches!(waiting, Waiting::Attempt | Waiting::BackOff);
            match waiting {
                Waiting::Attempt if entered => failure = failure.or_else(|| Some(error())),
                Waiting::BackOff => pause = pause.or_else(|| Some(error())),
                Waiting::Standing => standing = standing.or_else(|| Some(error())),
                Waiting::Pulled => pulled |= entered,
                Waiting::Attempt | Waiting::Silent => {}
            }
        }

        if pulled {
            let record = self.images.entry(image.to_owned()).or_default();
            if record.failures > 0 || record.standing.is_some() {
                seen.healed.insert(image.to_owned());
            }
            *record = ImageRecord::default();
            return;
        }
        // While another container of the image is pulling it, nothing stands still.
        let standing = standing.filter(|_| !pulling);
        let reported = failure.is_some();
        // An image that is first seen in the pause has failed at least once.
        let failure = failure.or_else(|| pause.filter(|_| !self.images.contains_key(image)));
        let record = self.images.entry(image.to_owned());
        match (failure, standing) {
            (Some(error), _) => {
                let record = record.or_default();
                record.standing = None;
                if record.fail(error, now) {
                    let seen = if reported {
                        &mut seen.failed
                    } else {
                        &mut seen.inferred
                    };
                    seen.insert(image.to_owned());
                }
            }
            (None, Some(error)) => {
                let record = record.or_default();
                let same = record.standing.filter(|s| s.cause == error.cause);
                record.standing = Some(Standing {
                    cause: error.cause,
                    since: same.and_then(|s| s.since).or(Some(now)),
                });
                record.last = Some(error);
            }
            (None, None) => {
                record.and_modify(|record| record.standing = None);
            }
        }
    }
}

impl ImageRecord {
    /// Counts one failed attempt. False if it was none (the kubelet's own limiter, a cancelled pull).
    fn fail(&mut self, error: LastError, now: Moment) -> bool {
        let cause = error.cause;
        self.last = Some(error);
        if !cause.counts() {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        self.since.get_or_insert(now);
        let class = cause.class();
        if class.patience() <= Class::Corrupt.patience() {
            self.in_a_row = self.in_a_row.saturating_add(1);
        } else {
            self.in_a_row = 0;
        }
        for of in Class::ALL {
            // Equally patient classes leave each other's rows alone.
            if of == class || class.patience() < of.patience() {
                let row = self.rows.entry(of).or_insert(Row {
                    failures: 0,
                    since: Some(now),
                });
                row.failures = row.failures.saturating_add(1);
                row.since.get_or_insert(now);
            } else if class.patience() > of.patience() {
                self.rows.remove(&of);
            }
        }
        true
    }
}

impl LastState {
    fn of(container: &ContainerView) -> Self {
        let (state, message) = match &container.state {
            ContainerState::Waiting { reason, message } => (printable(reason), digest(message)),
            ContainerState::Running => ("Running".to_owned(), 0),
            ContainerState::Terminated => ("Terminated".to_owned(), 0),
        };
        Self {
            image: container.image.clone(),
            state,
            message,
        }
    }
}

/// Whether `a` is an older `resourceVersion` than `b`. Both must be numbers to say so.
fn is_older(a: &str, b: &str) -> bool {
    match (a.parse::<u128>(), b.parse::<u128>()) {
        (Ok(a), Ok(b)) => a < b,
        _ => false,
    }
}

/// FNV-1a: messages are compared across restarts and upgrades, so the hash must not change with the standard library.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
