//! Keeps on disk what must survive a restart.

use tracing::error;

use crate::images::Images;
use crate::judge::{Effect, Event, Judge};
use crate::state::{State, StateFile};

/// The state file, and whether it is up to date.
#[derive(Debug)]
pub(super) struct Keeper {
    file: StateFile,
    /// The kernel's name for this boot.
    boot: String,
    /// Something has changed since the file was written.
    unsaved: bool,
    /// Number of Pods on which a condition of ours may stand, by the last event.
    marks: usize,
}

impl Keeper {
    pub(super) fn new(file: StateFile, boot: String) -> Self {
        Self {
            file,
            boot,
            unsaved: true,
            marks: 0,
        }
    }

    /// Notes whether an event has changed what is kept.
    pub(super) fn take(&mut self, event: &Event, effects: &[Effect], judge: &Judge) {
        let is_change = |effect: &Effect| {
            matches!(
                effect,
                Effect::Note(_) | Effect::TellAuthor { .. } | Effect::Report(_)
            )
        };
        let is_change_itself = matches!(
            event,
            Event::ImageArrived { .. } | Event::Configured(_) | Event::Reported { .. }
        );
        let marks = judge.ledger().marks().count();
        let had = std::mem::replace(&mut self.marks, marks);
        self.unsaved |= is_change_itself || had != marks || effects.iter().any(is_change);
    }

    /// Something is to be kept that no event tells.
    pub(super) fn changed(&mut self) {
        self.unsaved = true;
    }

    /// The last attempt to write the file succeeded.
    pub(super) fn is_well(&self) -> bool {
        self.file.is_well()
    }

    /// Writes the file if something has changed. Returns whether it was tried. A file that cannot be
    /// written is tried again the next time.
    pub(super) fn save(&mut self, judge: &Judge, images: &Images) -> bool {
        if !self.unsaved {
            return false;
        }
        let state = State::of(&self.boot, judge, images);
        if let Err(error) = self.file.save(&state) {
            let dir = self.file.dir().display();
            error!(%dir, %error, "the counts cannot be kept on disk, going on without; a restart would lose them");
        }
        self.unsaved = !self.file.is_well();
        true
    }
}
