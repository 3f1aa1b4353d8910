//! State of the brakes: their settings, from the node's configuration, and their memory, kept in the
//! state file. The memory has the Pods that were failed lately, and what is known of registries.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fleet_memory::FleetMemory;
use super::registries::{Registries, RegistryRule};
use super::stopped_memory::Stops;
use crate::judge::{Cause, Moment, PodView, RestartPolicy};

/// Settings and memory of all brakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brakes {
    /// End of the warm-up, which follows the agent's first start on a boot.
    pub warm_up_until: Moment,
    /// Settings.
    pub rules: BrakeRules,
    /// Memory.
    pub memory: BrakeMemory,
}

/// Settings of the brakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrakeRules {
    /// Number of Pods that may be failed.
    pub budget: Budget,
    /// Signs that a registry itself is in trouble.
    pub registry: RegistryRule,
    /// Longest time that refusals wait for a first pull from their registry since the node started.
    /// Zero: no time.
    pub new_node: Duration,
}

/// Number of Pods that may be failed within a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Pods of the node.
    pub pods: u32,
    /// Pods of one owner.
    pub per_owner: u32,
    /// The span of time.
    pub per: Duration,
}

/// Memory of all brakes. Kept in the state file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BrakeMemory {
    /// Pods that were failed lately.
    pub spent: Vec<Spent>,
    /// Owners whose Pods were failed again and again.
    repeated: Vec<Repeated>,
    /// Pulls that failed and pulls that worked.
    pub registries: Registries,
    /// Parts of the fleet budget that were found closed.
    pub fleet: FleetMemory,
    /// Reason why the agent may write to no Pod.
    pub stopped: Stops,
}

/// One Pod that was failed, or is being failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Moment of the verdict.
    pub at: Moment,
    /// UID of the owner, or of the Pod if it has no owner.
    pub owner: String,
    /// Top of the chain of owners, if the Pod named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<String>,
    /// UID of the Pod.
    #[serde(default)]
    pub uid: String,
    /// Image that the Pod was failed for; empty if an earlier version wrote this.
    #[serde(default)]
    pub image: String,
    /// Cause of the Pod's last failure; `None` if an earlier version wrote this.
    #[serde(default)]
    pub cause: Option<Cause>,
}

impl Spent {
    /// Returns true if the Pod has the same owner, or the same top of the chain above it.
    fn is_of(&self, view: &PodView) -> bool {
        self.owner == owner_of(view) || (view.top.is_some() && view.top == self.top)
    }
}

/// An owner that makes a new Pod with the same image whenever one is failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Repeated {
    owner: String,
    image: String,
    verdicts: u32,
    last: Moment,
}

/// Time in which Pods of one owner that fail for an image known to be bad cost the node's budget one
/// place.
const PAID: Duration = Duration::from_secs(3600);

/// Age at which an owner's last verdict is forgotten.
const FORGIVEN: Duration = Duration::from_secs(6 * 3600);

/// Number of owners that are remembered; the oldest go first.
const OWNERS: usize = 256;

impl BrakeMemory {
    /// Returns the number of verdicts on Pods of this Pod's owner for this image, where the owner
    /// makes new ones.
    pub fn verdicts(&self, view: &PodView, image: &str) -> u32 {
        let owner = owner_of(view);
        let mut repeated = self.repeated.iter();
        let known = repeated.find(|r| r.owner == owner && r.image == image);
        known.map_or(0, |repeated| repeated.verdicts)
    }
}

impl Brakes {
    /// Takes one Pod out of the budget. Of an image that is known to be bad only one an hour counts.
    pub(in crate::judge) fn spend(
        &mut self,
        view: &PodView,
        (image, cause): (&str, Cause),
        known_bad: bool,
        now: Moment,
    ) {
        let kept = self.rules.budget.per.max(PAID);
        let is_free = known_bad && self.paid(view, (image, cause), now);
        let memory = &mut self.memory;
        memory.spent.retain(|s| now.since(s.at) < kept);
        let owner = owner_of(view).to_owned();
        if !is_free {
            memory.spent.push(Spent {
                at: now,
                owner: owner.clone(),
                top: view.top.clone(),
                uid: view.uid.clone(),
                image: image.to_owned(),
                cause: Some(cause),
            });
        }
        memory.repeated.retain(|r| now.since(r.last) < FORGIVEN);
        if view.restart_policy != RestartPolicy::Always || view.owner.is_none() {
            return;
        }
        let verdicts = memory.verdicts(view, image).saturating_add(1);
        let of = |r: &Repeated| r.owner == owner && r.image == image;
        memory.repeated.retain(|repeated| !of(repeated));
        if memory.repeated.len() >= OWNERS {
            memory.repeated.remove(0);
        }
        memory.repeated.push(Repeated {
            owner,
            image: image.to_owned(),
            verdicts,
            last: now,
        });
    }

    /// Gives the Pod's place back to the budget, if it has cost one: the Pod was not failed for this
    /// image.
    pub(in crate::judge) fn refund(&mut self, view: &PodView, image: &str) {
        let (uid, owner) = (&view.uid, owner_of(view));
        let memory = &mut self.memory;
        // An earlier version did not note the image.
        let is_place =
            |spent: &Spent| spent.uid == *uid && (spent.image == image || spent.cause.is_none());
        if let Some(place) = memory.spent.iter().rposition(is_place) {
            memory.spent.remove(place);
        }
        let of = |r: &&mut Repeated| r.owner == owner && r.image == image;
        if let Some(repeated) = memory.repeated.iter_mut().find(of) {
            repeated.verdicts = repeated.verdicts.saturating_sub(1);
        }
    }

    /// Returns the number of Pods that count against the node's budget at present.
    pub fn spent(&self, now: Moment) -> usize {
        self.recent(now).count()
    }

    /// Returns the number of images that count against the budget of this Pod's owner at present,
    /// without this image. Pods of an owner that fail for the same image and cause count as one.
    pub fn spent_on_owner_of(&self, view: &PodView, of: (&str, Cause), now: Moment) -> usize {
        let spent = self.recent(now).filter(|s| s.is_of(view));
        let (known, unknown): (Vec<_>, Vec<_>) = spent.partition(|s| s.cause.is_some());
        let known: BTreeSet<_> = known.iter().map(|s| (&*s.image, s.cause)).collect();
        match known.contains(&(of.0, Some(of.1))) {
            true => 0,
            false => known.len() + unknown.len(),
        }
    }

    /// Returns true if a Pod of this Pod's owner has cost the budget a place for this image and cause
    /// within the last hour.
    pub fn paid(&self, view: &PodView, (image, cause): (&str, Cause), now: Moment) -> bool {
        let mut spent = self.memory.spent.iter();
        let is_same = |s: &Spent| s.is_of(view) && (&*s.image, s.cause) == (image, Some(cause));
        spent.any(|s| is_same(s) && now.since(s.at) < PAID)
    }

    fn recent(&self, now: Moment) -> impl Iterator<Item = &Spent> {
        let per = self.rules.budget.per;
        let spent = self.memory.spent.iter();
        spent.filter(move |s| now.since(s.at) < per)
    }

    /// Restarts all times after a reboot: the boot clock began again.
    pub(in crate::judge) fn rebooted(&mut self, now: Moment) {
        let per = self.rules.budget.per;
        let newest = self.memory.spent.iter().map(|s| s.at).max();
        self.memory
            .spent
            .retain(|s| newest.is_some_and(|newest| newest.since(s.at) < per));
        for spent in &mut self.memory.spent {
            spent.at = now;
        }
        for repeated in &mut self.memory.repeated {
            repeated.last = now;
        }
        self.memory.registries.rebooted();
        self.memory.fleet.clear();
        self.memory.stopped.clear();
    }
}

fn owner_of(view: &PodView) -> &str {
    view.owner.as_ref().map_or(&view.uid, |owner| &owner.uid)
}
