//! The owners that got an Event about an image within this hour, so that a Job whose Pods fail one after
//! the other costs one request an hour for it.

use std::collections::BTreeSet;

use jiff::Timestamp;

/// The Events that were begun within one hour, by name.
#[derive(Debug, Default)]
pub(super) struct Told {
    hour: i64,
    names: BTreeSet<String>,
}

impl Told {
    /// Notes that an Event is to be written. False if it was begun before; also if that write failed.
    pub(super) fn begins(&mut self, name: String, at: Timestamp) -> bool {
        let hour = at.as_second().div_euclid(3600);
        if self.hour != hour {
            self.hour = hour;
            self.names.clear();
        }
        self.names.insert(name)
    }
}
