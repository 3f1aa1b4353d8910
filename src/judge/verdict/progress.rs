//! The question how far an image is from a threshold.

use std::time::Duration;

use super::subject::Subject;
use crate::judge::{Class, ImageRecord, Measure, Moment};

/// Returns the progress that decides about an image in its present state: one that has reached its threshold, or else
/// the first by class. `None` where no threshold applies.
pub(super) fn progress(subject: Subject<'_>, record: &ImageRecord) -> Option<Measure> {
    let Subject {
        policy,
        footing,
        now,
        ..
    } = subject;
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
