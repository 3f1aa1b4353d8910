//! Sums over the Pods that are being judged, for `status` and for the gauges.

use std::collections::BTreeMap;

use crate::judge::{Cause, Judge, Reason};

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
    for uid in judge.latest().keys() {
        let images = judge
            .ledger()
            .pod(uid)
            .into_iter()
            .flat_map(|pod| &pod.images);
        let failing = images
            .filter(|(_, image)| image.failures > 0 || image.standing.is_some())
            .filter_map(|(_, image)| Some((image.failures, image.last.as_ref()?.cause)));
        if let Some((_, cause)) = failing.max_by_key(|(failures, _)| *failures) {
            *stuck.entry(cause).or_default() += 1;
        }
    }
    stuck
}
