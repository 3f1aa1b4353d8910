//! The newest view of a Pod, and the verdict on it.

use super::{Decision, Moment, PodView, Reason, Verdict};

/// Newest view of a Pod that is being judged, and the verdict on it.
#[derive(Clone, Debug)]
pub struct Latest {
    /// Its newest view.
    pub view: PodView,
    /// The verdict on that.
    pub verdict: Verdict,
    /// Moment of that verdict.
    at: Moment,
    /// The brakes that held it at its last failure, and when that was. They are the reason why it is still there, while the kubelet pauses.
    braked: Option<(Vec<Reason>, Moment)>,
}

impl Latest {
    /// A view and a verdict that take the place of those before.
    pub fn new(view: PodView, verdict: Verdict, at: Moment, before: Option<&Self>) -> Self {
        let awaits = |reason: &Reason| matches!(reason, Reason::AwaitsNextFailure { .. });
        let braked = match verdict.decision {
            Decision::Hold => {
                let brakes = verdict.reasons.iter().filter(|r| r.brake().is_some());
                Some((brakes.cloned().collect(), at))
            }
            Decision::Wait if verdict.reasons.iter().any(awaits) => {
                before.and_then(|before| before.braked.clone())
            }
            _ => None,
        };
        Self {
            view,
            verdict,
            at,
            braked,
        }
    }

    /// Brakes that hold it since the report on it found out.
    pub(in crate::judge) fn held_by(&mut self, brakes: Vec<Reason>, at: Moment) {
        self.braked = Some((brakes, at));
    }

    /// Returns the moment at which the clock alone may bring another verdict; `None` if it cannot.
    pub fn next_by_clock(&self) -> Option<Moment> {
        self.verdict.next_by_clock(self.at)
    }

    /// Returns whether brakes hold it.
    pub fn is_braked(&self) -> bool {
        self.braked.is_some()
    }

    /// The brakes that hold it.
    pub fn brakes(&self) -> Vec<Reason> {
        let brakes = self.braked.as_ref().map(|(brakes, _)| brakes.clone());
        brakes.unwrap_or_default()
    }

    /// Every reason why it is still there, as it is now.
    pub fn reasons(&self, now: Moment) -> Vec<Reason> {
        let since = now.since(self.at);
        let mut reasons: Vec<Reason> = self.verdict.reasons.iter().map(|r| r.aged(since)).collect();
        if let Some((brakes, at)) = &self.braked {
            for brake in brakes {
                let brake = brake.aged(now.since(*at));
                if !reasons.contains(&brake) {
                    reasons.push(brake);
                }
            }
        }
        reasons
    }
}
