use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Moment, PodView, Reason};

/// What holds verdicts back however clear they are: the warm-up and the budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brake {
    /// Until when the agent only watches after its first start on a boot.
    pub warm_up_until: Moment,
    /// How many Pods may be failed.
    pub budget: Budget,
    /// The Pods failed lately.
    pub spent: Vec<Spent>,
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
}

impl Brake {
    /// Why a verdict on this Pod must wait, if it must.
    pub fn holds(&self, view: &PodView, now: Moment) -> Option<Reason> {
        if now < self.warm_up_until {
            return Some(Reason::WarmUp {
                left: self.warm_up_until.since(now),
            });
        }
        let recent = |spent: &&Spent| now.since(spent.at) < self.budget.per;
        let full = |count: usize, limit: u32| u32::try_from(count).is_ok_and(|n| n >= limit);
        if full(self.spent.iter().filter(recent).count(), self.budget.pods) {
            return Some(Reason::NodeBudgetSpent(self.budget));
        }
        let owner = owner_of(view);
        let of_owner = self
            .spent
            .iter()
            .filter(recent)
            .filter(|s| s.owner == owner);
        full(of_owner.count(), self.budget.per_owner)
            .then_some(Reason::OwnerBudgetSpent(self.budget))
    }

    /// Takes one Pod out of the budget.
    pub fn spend(&mut self, view: &PodView, now: Moment) {
        self.spent.retain(|s| now.since(s.at) < self.budget.per);
        self.spent.push(Spent {
            at: now,
            owner: owner_of(view).to_owned(),
        });
    }

    /// The node was started anew: what was spent counts from now.
    pub fn rebooted(&mut self, now: Moment) {
        for spent in &mut self.spent {
            spent.at = now;
        }
    }
}

fn owner_of(view: &PodView) -> &str {
    view.owner.as_ref().map_or(&view.uid, |owner| &owner.uid)
}
