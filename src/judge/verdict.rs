use std::time::Duration;

use super::cause::Waiting;
use super::ledger::{ImageRecord, Ledger, Observed, Stage};
use super::{
    Brake, Cause, Class, ContainerState, Footing, Measure, Moment, PodView, Policy, Reason,
};

/// What is to be done about one Pod, and every reason for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What is to be done.
    pub decision: Decision,
    /// Why, and why not more. Never empty.
    pub reasons: Vec<Reason>,
    /// What the view brought that was not known before.
    pub observed: Observed,
}

/// What is to be done about a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing (left) to judge: look away.
    Settle,
    /// Keep looking.
    Wait,
    /// Its time has come, but something holds it back until the next failure.
    Hold,
    /// Fail it (or, observing, say so).
    Condemn(Box<Condemned>),
}

impl Decision {
    /// The name in logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Settle => "settle",
            Self::Wait => "wait",
            Self::Hold => "hold",
            Self::Condemn(_) => "condemn",
        }
    }
}

/// A Pod whose time has come: all that the report needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condemned {
    /// The Pod's UID.
    pub uid: String,
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod's name.
    pub name: String,
    /// The image that cannot be pulled.
    pub image: String,
    /// Why not.
    pub cause: Cause,
    /// Failed attempts that were counted; zero for a standing reason.
    pub failures: u32,
    /// From the first of them, or since the reason stands, as far as known.
    pub lasting: Duration,
    /// The last error.
    pub error: String,
    /// Whether the Pod may be written to; otherwise only an Event says what would have been done.
    pub enforce: bool,
}

/// Judges one Pod by its latest view, which may be one that was judged before: then only what stands can have come of age.
pub fn judge(
    ledger: &mut Ledger,
    brake: &Brake,
    policy: &Policy,
    view: &PodView,
    now: Moment,
) -> Verdict {
    let settled = |reason| Verdict {
        decision: Decision::Settle,
        reasons: vec![reason],
        observed: Observed::default(),
    };
    let footing = match policy.footing(view) {
        Ok(footing) => footing,
        Err(reason) => return settled(reason),
    };
    let observed = ledger.observe(view, now);
    let (decision, reasons) = decide(ledger, brake, policy, view, &footing, &observed, now);
    Verdict {
        decision,
        reasons,
        observed,
    }
}

fn decide(
    ledger: &Ledger,
    brake: &Brake,
    policy: &Policy,
    view: &PodView,
    footing: &Footing,
    observed: &Observed,
    now: Moment,
) -> (Decision, Vec<Reason>) {
    let wait = |reason| (Decision::Wait, vec![reason]);
    if observed.stale {
        return wait(Reason::Stale);
    }
    if view.ending {
        return wait(Reason::BeingEnded);
    }
    let Some(record) = ledger.pod(&view.uid) else {
        return wait(Reason::NoFailure);
    };
    match record.stage {
        Stage::Writing => return wait(Reason::BeingReported),
        Stage::Written(_) => return wait(Reason::BeingEnded),
        Stage::Watching | Stage::Announced | Stage::Marked => {}
    }
    if view.containers.iter().all(is_pulled) {
        return (Decision::Settle, vec![Reason::AllPulled]);
    }

    let mut reasons = Vec::new();
    let mut due = None;
    for (image, record) in &record.images {
        let Some(last) = &record.last else { continue };
        let (image, cause) = (image.clone(), last.cause);
        let by = match measure(policy, footing, record, now) {
            Some(by) if by.is_reached() => by,
            by => {
                reasons.push(Reason::NotReached { image, cause, by });
                continue;
            }
        };
        // While a pull is queued or downloading the kubelet goes on showing the pause: the clock must not decide.
        let decides = record.standing.is_some() || observed.failed.contains(&image);
        reasons.push(Reason::Reached {
            image: image.clone(),
            cause,
            by,
        });
        if decides {
            due.get_or_insert((image, record));
        } else {
            reasons.push(Reason::AwaitsNextFailure { image });
        }
    }
    let Some((image, record)) = due else {
        if reasons.is_empty() {
            reasons.push(Reason::NoFailure);
        }
        return (Decision::Wait, reasons);
    };
    let lasting = lasting(record, now);
    if let Some(held) = hold(ledger, brake, view, footing, lasting, now) {
        reasons.push(held);
        return (Decision::Hold, reasons);
    }
    let error = record.last.as_ref();
    let condemned = Condemned {
        uid: view.uid.clone(),
        namespace: view.namespace.clone(),
        name: view.name.clone(),
        image,
        cause: error.map_or(Cause::Unrecognised, |last| last.cause),
        failures: record.failures,
        lasting,
        error: error.map(|last| last.message.clone()).unwrap_or_default(),
        enforce: footing.enforce,
    };
    (Decision::Condemn(Box::new(condemned)), reasons)
}

/// The last look before the write: whether a Pod, read afresh, is still the one that was condemned and still waits for that image.
///
/// # Errors
/// Why it is spared.
pub fn still_due(condemned: &Condemned, policy: &Policy, view: &PodView) -> Result<(), Reason> {
    if view.uid != condemned.uid {
        return Err(Reason::Replaced);
    }
    let footing = policy.footing(view)?;
    if condemned.enforce && !footing.enforce {
        return Err(Reason::NotEnforcedAnyMore);
    }
    let waits = |container: &super::ContainerView| {
        let ContainerState::Waiting { reason, .. } = &container.state else {
            return false;
        };
        let failing = matches!(
            Waiting::of(reason),
            Waiting::Attempt | Waiting::BackOff | Waiting::Standing
        );
        container.image == condemned.image && failing
    };
    if view.containers.iter().any(waits) {
        Ok(())
    } else {
        Err(Reason::NotWaitingForImage {
            image: condemned.image.clone(),
        })
    }
}

fn hold(
    ledger: &Ledger,
    brake: &Brake,
    view: &PodView,
    footing: &Footing,
    lasting: Duration,
    now: Moment,
) -> Option<Reason> {
    if lasting < footing.at_least {
        return Some(Reason::AlwaysWaits {
            left: footing.at_least.saturating_sub(lasting),
        });
    }
    let announced = ledger
        .pod(&view.uid)
        .is_some_and(|record| record.stage == Stage::Announced);
    if !footing.enforce && announced {
        return Some(Reason::AlreadyAnnounced);
    }
    brake.holds(view, now)
}

/// What decides about an image, in its present state: the measure that is reached, or the one that is nearest by class.
fn measure(
    policy: &Policy,
    footing: &Footing,
    record: &ImageRecord,
    now: Moment,
) -> Option<Measure> {
    let since = |moment: Option<Moment>| moment.map_or(Duration::ZERO, |m| now.since(m));
    if let Some(standing) = record.standing {
        let at_least = policy.standing_for(standing.cause.class(), footing)?;
        return Some(Measure::Standing {
            lasting: since(standing.since),
            at_least,
        });
    }
    let class = record.last.as_ref()?.cause.class();
    let own = Class::Corrupt.patience();
    let by_count = footing
        .count
        .filter(|_| class.patience() <= own)
        .map(|need| Measure::Count {
            have: record.in_a_row,
            need,
        });
    // Where the user gave a count, it stands in for the thresholds of the classes that it covers.
    let by_class = Class::ALL.into_iter().filter_map(|of| {
        let relevant = of == class || of.patience() > class.patience();
        if !relevant || (footing.count.is_some() && of.patience() <= own) {
            return None;
        }
        let threshold = policy.thresholds.of(of)?;
        let row = record.rows.get(&of);
        Some(Measure::Class {
            class: of,
            have: row.map_or(0, |row| row.failures),
            need: threshold.failures,
            lasting: row.map_or(Duration::ZERO, |row| since(row.since)),
            at_least: threshold.lasting,
        })
    });
    let mut nearest = None;
    for measure in by_count.into_iter().chain(by_class) {
        if measure.is_reached() {
            return Some(measure);
        }
        nearest.get_or_insert(measure);
    }
    nearest
}

fn lasting(record: &ImageRecord, now: Moment) -> Duration {
    let since = record.standing.map_or(record.since, |s| s.since);
    since.map_or(Duration::ZERO, |since| now.since(since))
}

fn is_pulled(container: &super::ContainerView) -> bool {
    match &container.state {
        ContainerState::Waiting { reason, .. } => Waiting::of(reason) == Waiting::Pulled,
        ContainerState::Running | ContainerState::Terminated => true,
    }
}
