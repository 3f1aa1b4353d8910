//! Sums over the Pods that are being judged, for `status` and for the gauges.

use std::collections::BTreeMap;

use crate::judge::{Cause, Judge, Reason, Reference};

/// Counts the Pods that each brake holds.
pub fn held(judge: &Judge) -> BTreeMap<&'static str, usize> {
    let mut held = BTreeMap::new();
    for latest in judge.latest().values() {
        for brake in latest.brakes().iter().filter_map(Reason::brake) {
            *held.entry(brake).or_default() += 1;
        }
    }
    held
}

/// Counts the Pods that are stuck, each once: by the cause of its image that failed most often.
pub fn stuck(judge: &Judge) -> BTreeMap<Cause, i64> {
    let mut stuck = BTreeMap::new();
    for (_, cause) in worst(judge) {
        *stuck.entry(cause).or_default() += 1;
    }
    stuck
}

/// Counts the same Pods by the registry of that image.
pub fn stuck_by_registry(judge: &Judge) -> BTreeMap<&str, i64> {
    let mut stuck = BTreeMap::new();
    for (image, _) in worst(judge) {
        *stuck.entry(Reference::of(image).registry).or_default() += 1;
    }
    stuck
}

/// The image that failed most often of each stuck Pod, and the cause of its last failure.
fn worst(judge: &Judge) -> impl Iterator<Item = (&str, Cause)> {
    let records = judge
        .latest()
        .keys()
        .filter_map(|uid| judge.ledger().pod(uid));
    records.filter_map(|pod| {
        let failing = pod.images.iter().filter_map(|(image, record)| {
            let fails = record.failures > 0 || record.standing.is_some();
            let cause = record.last.as_ref().filter(|_| fails)?.cause;
            Some((record.failures, &**image, cause))
        });
        let (_, image, cause) = failing.max_by_key(|(failures, ..)| *failures)?;
        Some((image, cause))
    })
}
