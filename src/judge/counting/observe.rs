//! Brings the counts of a Pod up to date with a view.

use std::collections::{BTreeMap, BTreeSet};

use super::last_state::LastState;
use super::ledger::{Observed, PodRecord};
use super::repeats::Said;
use crate::judge::pod::source::is_older;
use crate::judge::pod::waiting::{Waiting, is_free_text};
use crate::judge::{
    BehindMirror, Cause, ContainerState, ContainerView, ImageRecord, LastError, Moment, PodView,
    Standing,
};
use crate::text::printable;

impl PodRecord {
    /// Brings the counts up to date with a view.
    pub(in crate::judge) fn observe(
        &mut self,
        view: &PodView,
        mirrors: &BehindMirror,
        now: Moment,
    ) -> Observed {
        let (version, newest) = (&view.resource_version, &self.resource_version);
        let older = is_older(version, newest);
        if view.source.is_stale(version, newest) {
            return Observed {
                stale: true,
                ..Observed::default()
            };
        }
        if !older {
            self.resource_version.clone_from(&view.resource_version);
        }
        self.last_known = now;
        let mut observed = Observed::default();
        let (states, entered) = self.follow(view, now);

        let mut by_image: BTreeMap<&str, Vec<&ContainerView>> = BTreeMap::new();
        for container in &view.containers {
            by_image
                .entry(&container.image)
                .or_default()
                .push(container);
        }
        for (image, containers) in &by_image {
            let states = (&states, &entered);
            self.observe_image((image, mirrors), containers, states, now, &mut observed);
        }
        // An edited image starts at zero, whatever was counted for the one before.
        self.images
            .retain(|image, _| by_image.contains_key(image.as_str()));

        observed.changed = self.containers != states;
        self.containers = states;
        self.source = view.source;
        observed
    }

    /// The states that the containers are in by this view, and the names of those that have entered theirs since the one before.
    fn follow<'a>(
        &self,
        view: &'a PodView,
        now: Moment,
    ) -> (BTreeMap<String, LastState>, BTreeSet<&'a str>) {
        let mut entered = BTreeSet::new();
        let states = view.containers.iter().map(|container| {
            let is_counted = self.images.contains_key(&container.image);
            // Getting past a pull drops a count, and what was never counted cannot be counted twice.
            let is_safe = container.is_past_pull() || !is_counted;
            let said = Said::by(view.source, view.first, self.source, is_safe);
            let (state, is_new) = match self.containers.get(&container.name) {
                Some(last) => last.next(container, said, now),
                None => LastState::first(container, said, now),
            };
            if is_new {
                entered.insert(container.name.as_str());
            }
            (container.name.clone(), state)
        });
        (states.collect(), entered)
    }

    fn observe_image(
        &mut self,
        (image, mirrors): (&str, &BehindMirror),
        containers: &[&ContainerView],
        (states, entered): (&BTreeMap<String, LastState>, &BTreeSet<&str>),
        now: Moment,
        seen: &mut Observed,
    ) {
        let mut pulled = false;
        let mut pulling = false;
        let mut failure = None;
        let mut pause = None;
        let mut standing = None;
        for container in containers {
            let entered = entered.contains(container.name.as_str());
            let ContainerState::Waiting { reason, message } = &container.state else {
                pulled |= entered;
                continue;
            };
            let error = || LastError {
                cause: mirrors.cause(image, Cause::for_image(reason, message, image)),
                message: printable(if message.is_empty() { reason } else { message }),
            };
            let inherited = states
                .get(&container.name)
                .is_some_and(LastState::is_inherited);
            let waiting = Waiting::of(reason);
            pulling |= matches!(waiting, Waiting::Attempt | Waiting::BackOff);
            match waiting {
                Waiting::Attempt if entered => failure = failure.or_else(|| Some(error())),
                Waiting::BackOff if !inherited => pause = pause.or_else(|| Some(error())),
                // An unreadable secret is in the way of the new image too. It stands from now on.
                Waiting::Standing if !inherited || is_free_text(reason) => {
                    standing = standing.or_else(|| Some((error(), is_free_text(reason))));
                }
                Waiting::Pulled => pulled |= entered,
                Waiting::Attempt | Waiting::BackOff | Waiting::Standing | Waiting::Silent => {}
            }
        }

        if pulled {
            let record = self.images.entry(image.to_owned()).or_default();
            if record.failures > 0 {
                seen.pulled.insert(image.to_owned());
            }
            if record.failures > 0 || record.standing.is_some() {
                seen.healed.insert(image.to_owned());
            }
            if let Some(because) = record.due {
                seen.started.insert(image.to_owned(), because);
            }
            *record = ImageRecord::default();
            return;
        }
        // While another container of the image is pulling it, nothing stands still.
        let standing = standing.filter(|_| !pulling);
        let reported = failure.is_some();
        // An image that is first seen in the pause has failed at least once.
        let failure = failure.or_else(|| pause.filter(|_| !self.images.contains_key(image)));
        let record = self.images.entry(image.to_owned());
        match (failure, standing) {
            (Some(error), _) => {
                let record = record.or_default();
                record.standing = None;
                if record.fail(error, now) {
                    let seen = if reported {
                        &mut seen.failed
                    } else {
                        &mut seen.inferred
                    };
                    seen.insert(image.to_owned());
                }
            }
            (None, Some((error, free_text))) => {
                let record = record.or_default();
                let is_same = |s: &Standing| (s.cause, s.free_text) == (error.cause, free_text);
                let same = record.standing.filter(is_same);
                record.standing = Some(Standing {
                    cause: error.cause,
                    since: same.and_then(|s| s.since).or(Some(now)),
                    free_text,
                });
                record.last = Some(error);
            }
            (None, None) => {
                record.and_modify(|record| record.standing = None);
            }
        }
    }
}
