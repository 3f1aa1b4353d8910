use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::judge::{
    Class, Moment, PodView, Reason, Reference, Registries, RegistryRule, RestartPolicy,
};

/// What holds verdicts back however clear they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brake {
    /// Until when the agent only watches after its first start on a boot.
    pub warm_up_until: Moment,
    /// How it is set.
    pub rules: BrakeRules,
    /// What it remembers.
    pub memory: BrakeMemory,
}

/// How the brake is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrakeRules {
    /// How many Pods may be failed.
    pub budget: Budget,
    /// When a registry itself seems to be in trouble.
    pub registry: RegistryRule,
    /// So long, at most, refusals wait for a first pull from their registry since the node was started. Zero: they do not.
    pub new_node: Duration,
}

/// What the brake remembers. Kept in the state file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BrakeMemory {
    /// The Pods failed lately.
    pub spent: Vec<Spent>,
    /// Owners whose Pods were failed again and again.
    repeated: Vec<Repeated>,
    /// What fails and what works.
    pub registries: Registries,
}

/// How many Pods may be failed within a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// On the node.
    pub pods: u32,
    /// Of one owner.
    pub per_owner: u32,
    /// The span of time.
    pub per: Duration,
}

/// One Pod that was failed, or is being failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// When.
    pub at: Moment,
    /// The owner's UID, or the Pod's own if it has no owner.
    pub owner: String,
    /// The Pod's UID.
    #[serde(default)]
    pub uid: String,
}

/// An owner that makes a new Pod with the same image whenever one is failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Repeated {
    owner: String,
    image: String,
    verdicts: u32,
    last: Moment,
}

/// Pods with `restartPolicy: Always` wait at least this long from their first failure: their controller makes a new one at once.
const ALWAYS_WAITS: Duration = Duration::from_secs(600);

/// The longest that they wait.
const ALWAYS_WAITS_AT_MOST: Duration = Duration::from_secs(3600);

/// An owner whose last verdict is so long ago starts anew.
const FORGIVEN: Duration = Duration::from_secs(6 * 3600);

/// Owners that are remembered; the oldest go first.
const OWNERS: usize = 256;

/// An image that is due, as far as the brake asks.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    /// The image.
    pub image: &'a str,
    /// The class of its last error.
    pub class: Class,
    /// Whether its registry was asked at all.
    pub pulls: bool,
    /// How long its failures have lasted.
    pub lasting: Duration,
    /// Since when a brake of its registry has held it.
    pub held: Option<Moment>,
    /// The last pull from its registry before its last failure but this one.
    pub pulled: Option<Moment>,
    /// Whether nothing had been pulled from its registry since the node was started, when that failure was reported.
    pub new: bool,
}

impl Brake {
    /// Everything for which a verdict on this Pod must wait.
    pub fn holds(&self, view: &PodView, due: Due<'_>, now: Moment) -> Vec<Reason> {
        let mut held = Vec::new();
        let waits = self.always_waits(view, due.image);
        if due.lasting < waits {
            let left = waits.saturating_sub(due.lasting);
            held.push(Reason::AlwaysWaits { left });
        }
        if now < self.warm_up_until {
            let left = self.warm_up_until.since(now);
            held.push(Reason::WarmUp { left });
        }
        if due.pulls {
            held.extend(self.registry_holds(due, now));
        }
        held.extend(self.budget_holds(view, now));
        held
    }

    fn registry_holds(&self, due: Due<'_>, now: Moment) -> Option<Reason> {
        let BrakeRules {
            registry: rule,
            new_node,
            ..
        } = &self.rules;
        let registry = || Reference::of(due.image).registry.to_owned();
        let left = |at_most: Duration| {
            let held = due.held.map_or(Duration::ZERO, |held| now.since(held));
            at_most.checked_sub(held).filter(|left| !left.is_zero())
        };
        let limit = rule.limit(due.class);
        // A registry that worked before this image failed may have stopped then, and one that works since the last failure was reported may
        // have begun while this one was under way.
        let pulled = due.pulled.filter(|at| now.since(*at) <= due.lasting);
        let registries = &self.memory.registries;
        let trouble = registries.trouble(due.image, rule, pulled, now);
        let limit_left = limit.map(left);
        if let Some(repositories) = trouble
            && limit_left != Some(None)
        {
            return Some(Reason::RegistryInTrouble {
                registry: registry(),
                repositories,
                left: limit_left.flatten(),
            });
        }
        let new = due.new || !registries.worked_since_boot(due.image);
        let left = left(*new_node).filter(|_| new && due.class == Class::Denied)?;
        Some(Reason::NothingPulledYet {
            registry: registry(),
            left,
        })
    }

    fn budget_holds(&self, view: &PodView, now: Moment) -> Option<Reason> {
        let budget = self.rules.budget;
        let recent = |spent: &&Spent| now.since(spent.at) < budget.per;
        let full = |count: usize, limit: u32| u32::try_from(count).is_ok_and(|n| n >= limit);
        let spent = self.memory.spent.iter().filter(recent);
        if full(spent.clone().count(), budget.pods) {
            return Some(Reason::NodeBudgetSpent(budget));
        }
        let owner = owner_of(view);
        let of_owner = spent.filter(|s| s.owner == owner).count();
        full(of_owner, budget.per_owner).then_some(Reason::OwnerBudgetSpent(budget))
    }

    /// How long a Pod waits, from its first failure, because of its restart policy: twice as long after each verdict on its owner and image.
    fn always_waits(&self, view: &PodView, image: &str) -> Duration {
        if view.restart_policy != RestartPolicy::Always {
            return Duration::ZERO;
        }
        let owner = owner_of(view);
        let of = |r: &&Repeated| r.owner == owner && r.image == image;
        let verdicts = self
            .memory
            .repeated
            .iter()
            .find(of)
            .map_or(0, |r| r.verdicts);
        let factor = 2_u32.saturating_pow(verdicts);
        ALWAYS_WAITS
            .saturating_mul(factor)
            .min(ALWAYS_WAITS_AT_MOST)
    }

    /// Takes one Pod, which fails for this image, out of the budget.
    pub fn spend(&mut self, view: &PodView, image: &str, now: Moment) {
        let per = self.rules.budget.per;
        let memory = &mut self.memory;
        memory.spent.retain(|s| now.since(s.at) < per);
        let owner = owner_of(view).to_owned();
        memory.spent.push(Spent {
            at: now,
            owner: owner.clone(),
            uid: view.uid.clone(),
        });
        memory.repeated.retain(|r| now.since(r.last) < FORGIVEN);
        if view.restart_policy != RestartPolicy::Always || view.owner.is_none() {
            return;
        }
        let known = memory
            .repeated
            .iter()
            .position(|r| r.owner == owner && r.image == image);
        let verdicts = known.map_or(0, |at| memory.repeated.remove(at).verdicts);
        if memory.repeated.len() >= OWNERS {
            memory.repeated.remove(0);
        }
        memory.repeated.push(Repeated {
            owner,
            image: image.to_owned(),
            verdicts: verdicts.saturating_add(1),
            last: now,
        });
    }

    /// A Pod that was taken out of the budget last for this image was not failed after all.
    pub fn refund(&mut self, uid: &str, image: &str) {
        let memory = &mut self.memory;
        let Some(place) = memory.spent.iter().rposition(|spent| spent.uid == uid) else {
            return;
        };
        let owner = memory.spent.remove(place).owner;
        let of = |r: &&mut Repeated| r.owner == owner && r.image == image;
        if let Some(repeated) = memory.repeated.iter_mut().find(of) {
            repeated.verdicts = repeated.verdicts.saturating_sub(1);
        }
    }

    /// How many Pods were taken out of the budget lately.
    pub fn spent(&self, now: Moment) -> usize {
        let per = self.rules.budget.per;
        let spent = self.memory.spent.iter();
        spent.filter(|s| now.since(s.at) < per).count()
    }

    /// The node was started anew: what was spent counts from now.
    pub fn rebooted(&mut self, now: Moment) {
        for spent in &mut self.memory.spent {
            spent.at = now;
        }
        for repeated in &mut self.memory.repeated {
            repeated.last = now;
        }
        self.memory.registries.rebooted();
    }
}

fn owner_of(view: &PodView) -> &str {
    view.owner.as_ref().map_or(&view.uid, |owner| &owner.uid)
}
