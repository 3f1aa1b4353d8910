use std::collections::BTreeMap;
use std::mem::discriminant;
use std::time::Duration;

use crate::judge::ledger::{Ledger, Observed, Stage};
use crate::judge::waiting::Waiting;
use crate::judge::{
    Because, Brake, Cause, Class, ContainerState, ContainerView, Due, Footing, ImageRecord,
    Measure, Moment, PodView, Policy, PullPolicy, Reason,
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

/// The time after which it is worth looking whether a brake holds on.
const LOOK: Duration = Duration::from_secs(10);

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

impl Verdict {
    /// Whether another verdict is of the same kind, for reasons of the same kinds: then it is no news. A condemnation always is.
    pub fn is_like(&self, other: &Self) -> bool {
        let is_condemned = matches!(other.decision, Decision::Condemn(_));
        let kinds = |verdict: &Self| verdict.reasons.iter().map(discriminant).collect::<Vec<_>>();
        !is_condemned
            && self.decision.as_str() == other.decision.as_str()
            && kinds(self) == kinds(other)
    }

    /// When the clock alone may bring another verdict: at once if it is past, `None` if it cannot.
    pub fn next_by_clock(&self, now: Moment) -> Option<Moment> {
        let after = |reason: &Reason| match reason {
            Reason::NotReached {
                by: Some(Measure::Standing { lasting, at_least }),
                ..
            } => Some(at_least.saturating_sub(*lasting)),
            Reason::WarmUp { left }
            | Reason::AlwaysWaits { left }
            | Reason::WriteDenied { left } => Some(*left),
            // Whose place in it is free first is not told.
            Reason::NodeBudgetSpent(_)
            | Reason::OwnerBudgetSpent(_)
            | Reason::PulledByAnother { .. } => Some(LOOK),
            _ => None,
        };
        let soonest = self.reasons.iter().filter_map(after).min();
        soonest.map(|after| now.after(after))
    }
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
    /// Whether the Pod is spared if the image turns out to be on the node.
    pub spare_if_present: bool,
    /// Whether the runtime itself is to be asked to pull the image first.
    pub second_opinion: bool,
    /// What the runtime answered, if it was asked.
    pub opinion: Option<String>,
}

impl Condemned {
    /// A Pod that is not condemned, where only its name matters.
    pub fn nobody(uid: &str, namespace: &str, name: &str) -> Self {
        Self {
            uid: uid.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            image: String::new(),
            cause: Cause::Unrecognised,
            failures: 0,
            lasting: Duration::ZERO,
            error: String::new(),
            enforce: true,
            spare_if_present: false,
            second_opinion: false,
            opinion: None,
        }
    }
}

/// Judges one Pod by its latest view, which may be one that was judged before: then only what stands can have come of age.
pub fn judge(
    ledger: &mut Ledger,
    brake: &mut Brake,
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
        Err(reason) => {
            if reason == Reason::TooLarge {
                ledger.shed(&view.uid);
            }
            return settled(reason);
        }
    };
    let observed = ledger.observe(view, now);
    remember(ledger, brake, view, &observed, now);
    let (decision, reasons) = decide(ledger, brake, policy, view, &footing, &observed, now);
    // One that was inferred is the last known failure too: the next one is held against what was so then.
    for image in observed.failed.iter().chain(&observed.inferred) {
        let registries = &brake.memory.registries;
        let (pulled, worked) = (
            registries.last_pull(image),
            registries.worked_since_boot(image),
        );
        ledger.note_registry(&view.uid, image, pulled, !worked);
    }
    Verdict {
        decision,
        reasons,
        observed,
    }
}

/// Tells the brake what fails and what works.
fn remember(ledger: &Ledger, brake: &mut Brake, view: &PodView, observed: &Observed, now: Moment) {
    let registries = &mut brake.memory.registries;
    let images = ledger.pod(&view.uid).map(|record| &record.images);
    for image in observed.failed.iter().chain(&observed.inferred) {
        let last = images.and_then(|images| images.get(image)?.last.as_ref());
        // A full disk is no fault of the registry's.
        if last.is_some_and(|last| last.cause.class() != Class::Node) {
            registries.failed(image, &brake.rules.registry, now);
        }
    }
    for image in &observed.pulled {
        registries.pulled(image, Some(now));
    }
}

fn decide(
    ledger: &mut Ledger,
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
    let Some(pod) = ledger.pod(&view.uid) else {
        return wait(Reason::NoFailure);
    };
    if let Stage::Written(_) = pod.stage {
        return wait(Reason::BeingEnded);
    }
    if view.containers.iter().all(ContainerView::is_past_pull) {
        return (Decision::Settle, vec![Reason::AllPulled]);
    }
    if pod.stage == Stage::Writing {
        return wait(Reason::BeingReported);
    }

    let mut reasons = Vec::new();
    let mut due = Vec::new();
    for (image, record) in &pod.images {
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
            due.push((image, record.clone()));
        } else {
            reasons.push(Reason::AwaitsNextFailure { image });
        }
    }
    if due.is_empty() {
        if reasons.is_empty() {
            reasons.push(Reason::NoFailure);
        }
        return (Decision::Wait, reasons);
    }
    let mut pulls: BTreeMap<&str, Vec<PullPolicy>> = BTreeMap::new();
    for container in view.containers.iter().filter(|c| !c.is_past_pull()) {
        let of_image = pulls.entry(&container.image).or_default();
        of_image.push(container.pull_policy);
    }
    let mut all_held: Vec<Reason> = Vec::new();
    // An image that is held, of a registry in trouble, say, must not hide another one.
    for (image, record) in due {
        let pulls = pulls.get(image.as_str()).map_or(&[][..], Vec::as_slice);
        let condemned = condemn(policy, view, footing, (&image, &record, pulls), now);
        let held = hold(ledger, brake, view, footing, &condemned, now);
        if held.is_empty() {
            reasons.append(&mut all_held);
            return (Decision::Condemn(Box::new(condemned)), reasons);
        }
        for reason in held {
            if !all_held.contains(&reason) {
                all_held.push(reason);
            }
        }
    }
    reasons.append(&mut all_held);
    (Decision::Hold, reasons)
}

fn condemn(
    policy: &Policy,
    view: &PodView,
    footing: &Footing,
    (image, record, pulls): (&str, &ImageRecord, &[PullPolicy]),
    now: Moment,
) -> Condemned {
    let error = record.last.as_ref();
    let all = |is: fn(PullPolicy) -> bool| pulls.iter().all(|policy| is(*policy));
    // What has no attempts is not a question of what can be pulled.
    let asks = record.standing.is_none() && !record.spared;
    Condemned {
        uid: view.uid.clone(),
        namespace: view.namespace.clone(),
        name: view.name.clone(),
        image: image.to_owned(),
        cause: error.map_or(Cause::Unrecognised, |last| last.cause),
        failures: record.failures,
        lasting: lasting(record, now),
        error: error.map(|last| last.message.clone()).unwrap_or_default(),
        enforce: footing.enforce,
        spare_if_present: asks && all(|policy| policy == PullPolicy::IfNotPresent),
        second_opinion: asks
            && policy.second_opinion
            && footing.enforce
            && all(|policy| policy != PullPolicy::Never),
        opinion: None,
    }
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
    if condemned.enforce && footing.unsure {
        return Err(Reason::NamespaceUnknown);
    }
    let of_image = view
        .containers
        .iter()
        .filter(|c| c.image == condemned.image);
    let mut silent = false;
    for container in of_image {
        if let ContainerState::Waiting { reason, .. } = &container.state {
            match Waiting::of(reason) {
                Waiting::Attempt | Waiting::BackOff | Waiting::Standing => return Ok(()),
                Waiting::Silent => silent = true,
                Waiting::Pulled => {}
            }
        }
    }
    let image = condemned.image.clone();
    Err(match silent {
        true => Reason::NoFailureYet { image },
        false => Reason::NotWaitingForImage { image },
    })
}

/// Everything that holds a verdict back, and a note in the ledger of what must not hold it for ever.
fn hold(
    ledger: &mut Ledger,
    brake: &Brake,
    view: &PodView,
    footing: &Footing,
    condemned: &Condemned,
    now: Moment,
) -> Vec<Reason> {
    let (uid, image) = (&view.uid, &condemned.image);
    let pod = ledger.pod(uid);
    let announced = pod.is_some_and(|record| record.stage == Stage::Announced);
    if !footing.enforce && announced {
        return vec![Reason::AlreadyAnnounced];
    }
    let Some(record) = pod.and_then(|record| record.images.get(image)) else {
        return Vec::new();
    };
    let due = Due {
        image,
        class: condemned.cause.class(),
        pulls: record.standing.is_none(),
        lasting: condemned.lasting,
        held: record.held,
        pulled: record.pulled,
        new: record.new,
    };
    let denied_until = record.denied.and_then(|denied| denied.until);
    let mut held = brake.holds(view, due, now);
    if let Some(until) = denied_until.filter(|until| now < *until) {
        let left = until.since(now);
        held.push(Reason::WriteDenied { left });
    }
    if footing.unsure {
        held.push(Reason::NamespaceUnknown);
    }
    if record.sibling && !record.spared && held.is_empty() {
        ledger.note_spared(uid, image);
        ledger.note_due(uid, image, Because::Spared);
        ledger.postpone(uid, image, now);
        return vec![Reason::PulledByAnother {
            image: image.clone(),
        }];
    }
    let by_registry = |reason: &Reason| {
        matches!(
            reason,
            Reason::RegistryInTrouble { .. } | Reason::NothingPulledYet { .. }
        )
    };
    if held.iter().any(by_registry) {
        ledger.note_held(uid, image, now);
    }
    let patience = |reason: &Reason| matches!(reason, Reason::AlwaysWaits { .. });
    if held.iter().any(|reason| !patience(reason)) && !held.iter().any(patience) {
        ledger.note_due(uid, image, Because::Held);
    }
    held
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
        let at_least = policy.standing_for(standing, footing)?;
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
