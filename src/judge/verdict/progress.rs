//! The question how far an image is from its threshold.

use std::time::Duration;

use super::subject::Subject;
use crate::judge::{Class, ImageRecord, Moment, Progress};

/// Returns the counts that decide about an image in its present state: those that reach a
/// threshold, or else the first ones, by class. `None` where no threshold applies.
pub(super) fn progress(subject: Subject<'_>, record: &ImageRecord) -> Option<Progress> {
    let Subject {
        policy, rules, now, ..
    } = subject;
    let since = |moment: Option<Moment>| moment.map_or(Duration::ZERO, |m| now.since(m));
    if let Some(standing) = record.standing {
        return Some(Progress::Standing {
            lasting: since(standing.since),
            minimum: policy.minimum_of(standing, rules)?,
        });
    }
    let class = record.last.as_ref()?.cause.class();
    let covered = |class: Class| class.patience() <= Class::Corrupt.patience();
    let count = rules.count.filter(|_| covered(class));
    let by_count = count.map(|need| Progress::Count {
        have: record.in_a_row,
        need,
    });
    // Where the user gave a count, it stands in for the thresholds of the classes that it covers.
    let by_class = Class::ALL.into_iter().filter_map(|of| {
        let relevant = of == class || of.patience() > class.patience();
        if !relevant || (rules.count.is_some() && covered(of)) {
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
