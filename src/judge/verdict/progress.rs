//! The question how far an image is from its threshold.

use std::num::NonZeroU32;
use std::time::Duration;

use super::subject::Subject;
use crate::judge::{Cause, Class, ImageRecord, Moment, PodView, Policy, Progress};

/// Returns what another Pod of the same owner needs, to be failed for this image at its first
/// failure: the same cause and the same `imagePullFailureCount`.
///
/// `None` if the image may come by itself:
///
/// - The class of its last failure is neither permanent nor denied.
/// - Its failures are only enough by the threshold of another class. After hours of timeouts one "not
///   found" at the end says little.
/// - It was on the node since its first failure, for another Pod.
pub(in crate::judge) fn teaches(
    policy: &Policy,
    view: &PodView,
    (image, record): (&str, &ImageRecord),
    now: Moment,
) -> Option<(Cause, Option<NonZeroU32>)> {
    if record.sibling || record.spared {
        return None;
    }
    let rules = policy.rules_for(view).ok()?;
    let subject = Subject {
        view,
        policy,
        rules: &rules,
        now,
    };
    let lasts = |class: Class| matches!(class, Class::Permanent | Class::Denied);
    let cause = record.last.as_ref()?.cause;
    let by_class = match progress(subject, image, record).filter(Progress::is_reached)? {
        Progress::Class { class, .. } => lasts(class),
        Progress::Count { .. } | Progress::Standing { .. } => true,
        Progress::KnownBad { .. } => false,
    };
    (by_class && lasts(cause.class())).then(|| (cause, rules.counts.of(view, image)))
}

/// Returns the counts that decide about an image in its present state: those that reach a
/// threshold, or else the first ones, by class. `None` where no threshold applies.
pub(super) fn progress(
    subject: Subject<'_>,
    image: &str,
    record: &ImageRecord,
) -> Option<Progress> {
    let Subject { policy, now, .. } = subject;
    let asked = subject.rules.counts.of(subject.view, image);
    let since = |moment: Option<Moment>| moment.map_or(Duration::ZERO, |m| now.since(m));
    if let Some(standing) = record.standing {
        return Some(Progress::Standing {
            lasting: since(standing.since),
            minimum: policy.minimum_of(standing, asked)?,
        });
    }
    let class = record.last.as_ref()?.cause.class();
    let covered = |class: Class| class.patience() <= Class::Corrupt.patience();
    let count = asked.filter(|_| covered(class));
    let by_count = count.map(|need| Progress::Count {
        have: record.in_a_row,
        need,
    });
    // Where the user gave a count, it stands in for the thresholds of the classes that it covers.
    let by_class = Class::ALL.into_iter().filter_map(|of| {
        let relevant = of == class || of.patience() > class.patience();
        if !relevant || (asked.is_some() && covered(of)) {
            return None;
        }
        let threshold = policy.thresholds.of(of)?;
        let row = record.rows.get(&of);
        Some(Progress::Class {
            class: of,
            have: row.map_or(0, |row| row.failures),
            need: threshold.failures,
            lasting: row.map_or(Duration::ZERO, |row| since(row.since)),
            minimum: threshold.lasting,
        })
    });
    let mut all = by_count.into_iter().chain(by_class).peekable();
    let first = all.peek().cloned();
    all.find(Progress::is_reached).or(first)
}
