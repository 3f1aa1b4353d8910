//! The judgement of one Pod.

use std::collections::BTreeMap;

use super::decision::{Decision, Verdict};
use super::fail_request::FailRequest;
use super::holding::hold;
use super::progress::progress;
use super::reason::Reason;
use super::subject::Subject;
use crate::judge::{
    Brakes, Class, ContainerView, ImageRecord, Ledger, Moment, Observed, PodRecord, PodView,
    Policy, Progress, PullPolicy, Stage, Standing,
};

/// Judges one Pod by its latest view. The view may be one that was judged before: then only the
/// clock has moved, and only a standing reason can have reached its minimum duration.
pub(in crate::judge) fn judge(
    ledger: &mut Ledger,
    brakes: &mut Brakes,
    policy: &Policy,
    view: &PodView,
    now: Moment,
) -> Verdict {
    let rules = match policy.rules_for(view) {
        Ok(rules) => rules,
        Err(reason) => {
            if reason == Reason::TooLarge {
                ledger.shed(&view.uid);
            }
            return Verdict {
                decision: Decision::Settle,
                reasons: vec![reason],
                observed: Observed::default(),
            };
        }
    };
    let observed = ledger.observe(view, &policy.behind_mirror, now);
    remember(ledger, brakes, view, &observed, now);
    let subject = Subject {
        view,
        policy,
        rules: &rules,
        now,
    };
    let (decision, reasons) = decide(ledger, brakes, subject, &observed);
    // The next failure is judged by what was known of the registry at this one, even if this one
    // was inferred.
    for image in observed.failed.iter().chain(&observed.inferred) {
        let registries = &brakes.memory.registries;
        let pulled = registries.last_pull(image);
        let new = !registries.worked_since_boot(image);
        ledger.note_registry(&view.uid, image, pulled, new);
    }
    Verdict {
        decision,
        reasons,
        observed,
    }
}

/// Notes for the brakes which pulls failed and which worked.
fn remember(
    ledger: &Ledger,
    brakes: &mut Brakes,
    view: &PodView,
    observed: &Observed,
    now: Moment,
) {
    let registries = &mut brakes.memory.registries;
    let images = ledger.pod(&view.uid).map(|record| &record.images);
    for image in observed.failed.iter().chain(&observed.inferred) {
        let last = images.and_then(|images| images.get(image)?.last.as_ref());
        // A full disk is no fault of the registry's.
        if last.is_some_and(|last| last.cause.class() != Class::Node) {
            registries.failed(image, &brakes.rules.registry, now);
        }
    }
    for image in &observed.pulled {
        registries.pulled(image, Some(now));
    }
}

fn decide(
    ledger: &mut Ledger,
    brakes: &Brakes,
    subject: Subject<'_>,
    observed: &Observed,
) -> (Decision, Vec<Reason>) {
    let pod = match to_weigh(ledger, subject.view, observed) {
        Ok(pod) => pod,
        Err((decision, reason)) => return (decision, vec![reason]),
    };
    let (due, mut reasons) = weigh(ledger, pod, subject, observed);
    if due.is_empty() {
        if reasons.is_empty() {
            reasons.push(Reason::NoFailure);
        }
        return (Decision::Wait, reasons);
    }
    let waiting = subject.view.containers.iter();
    let waiting = waiting.filter(|container| !container.is_past_pull());
    let mut pulls: BTreeMap<&str, Vec<PullPolicy>> = BTreeMap::new();
    for container in waiting {
        let of_image = pulls.entry(&container.image).or_default();
        of_image.push(container.pull_policy);
    }
    let mut all_held: Vec<Reason> = Vec::new();
    // An image that is held, because its registry is in trouble, say, must not hide another one.
    for (image, record) in due {
        let pulls = pulls.get(image.as_str()).map_or(&[][..], Vec::as_slice);
        let known_bad = known_bad(ledger, subject, &image, &record).is_some();
        let mut request = FailRequest::new(subject, &image, &record, pulls, known_bad);
        request.asks.second_write = ledger.is_any_denied();
        let held = hold(ledger, brakes, subject, &request);
        if held.is_empty() {
            reasons.append(&mut all_held);
            return (Decision::Fail(Box::new(request)), reasons);
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

/// Returns the Pod's counts if they are to be weighed, or else the decision without them.
fn to_weigh<'a>(
    ledger: &'a Ledger,
    view: &PodView,
    observed: &Observed,
) -> Result<&'a PodRecord, (Decision, Reason)> {
    if observed.stale {
        return Err((Decision::Wait, Reason::Stale));
    }
    if view.ending {
        return Err((Decision::Wait, Reason::BeingEnded));
    }
    let pod = ledger.pod(&view.uid);
    let pod = pod.ok_or((Decision::Wait, Reason::NoFailure))?;
    if let Stage::Written(_) = pod.stage {
        return Err((Decision::Wait, Reason::BeingEnded));
    }
    if view.containers.iter().all(ContainerView::is_past_pull) {
        return Err((Decision::Settle, Reason::AllPulled));
    }
    if pod.stage == Stage::Writing {
        return Err((Decision::Wait, Reason::BeingReported));
    }
    Ok(pod)
}

/// Returns that another Pod of the same owner was failed for the image, unless the image was on the
/// node when this Pod was to be failed.
fn known_bad(
    ledger: &Ledger,
    subject: Subject<'_>,
    image: &str,
    record: &ImageRecord,
) -> Option<Progress> {
    // After a report that wrote nothing, a standing reason is left alone for a while.
    let is_put_off = |standing: Standing| standing.since > Some(subject.now);
    if record.standing.is_some_and(is_put_off) {
        return None;
    }
    let Subject { view, now, .. } = subject;
    let count = subject.rules.counts.of(view, image);
    let found = ledger.known_bad.find(view, image, count, now);
    let known = found.filter(|_| !record.spared)?;
    Some(Progress::KnownBad {
        pod: known.pod.clone(),
        ago: subject.now.since(known.at),
    })
}

/// Compares the counts of each image with its threshold. Returns the images that may be decided
/// about now, and a reason for each image that fails.
fn weigh(
    ledger: &Ledger,
    pod: &PodRecord,
    subject: Subject<'_>,
    observed: &Observed,
) -> (Vec<(String, ImageRecord)>, Vec<Reason>) {
    let (mut due, mut reasons) = (Vec::new(), Vec::new());
    for (image, record) in &pod.images {
        let Some(last) = &record.last else { continue };
        let (image, cause) = (image.clone(), last.cause);
        let by = progress(subject, &image, record);
        let known_bad = || known_bad(ledger, subject, &image, record);
        let reached = by.clone().filter(Progress::is_reached).or_else(known_bad);
        let Some(by) = reached else {
            reasons.push(Reason::NotReached { image, cause, by });
            continue;
        };
        // While a pull is queued or downloading the kubelet goes on showing the back-off: the clock
        // must not decide.
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
    (due, reasons)
}
