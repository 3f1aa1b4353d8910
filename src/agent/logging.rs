//! The node's log, as the agent writes it: every input of the judge that may change something, and what came of it.

use tracing::warn;

use super::Agent;
use crate::judge::{Moment, PodView};
use crate::report::{Line, Stamp, State};

/// What was known, if it takes more bytes than this, is left out: the log is for what happens.
const LARGEST_STATE: usize = 1024 * 1024;

impl Agent {
    /// Writes a line, at the moment that it is about.
    pub(super) fn write_line(&mut self, at: Moment, line: &Line<'_>) {
        let stamp = Stamp {
            time: self.clock.wall(),
            at,
            ticked: self.ticked,
        };
        if let Err(error) = self.log.write(stamp, line) {
            let dir = self.config.startup.log_dir.display();
            warn!(%dir, %error, "the node's log cannot be written, going on without");
        }
    }

    /// The agent has started; `counts` tells what became of those of an earlier run.
    pub(super) fn log_start(&mut self, counts: &'static str, now: Moment) {
        let (node, boot) = (self.config.policy.node.clone(), self.boot.clone());
        let docket = self.docket.clone();
        let known = counts == "kept";
        let line = Line::Start {
            version: env!("CARGO_PKG_VERSION"),
            node: &node,
            boot: &boot,
            counts,
            config: self.config.judging(),
            state: Some(State::of(&docket)).filter(|state| known && is_small(state)),
        };
        self.write_line(now, &line);
    }

    /// Where a new file of the log has begun: what was so at that moment, so that it can be judged by itself.
    pub(super) fn head_log(&mut self) {
        if !self.log.wants_heading() {
            return;
        }
        let (node, boot) = (self.config.policy.node.clone(), self.boot.clone());
        let docket = self.docket.clone();
        let state = Some(State::of(&docket)).filter(is_small);
        let views = docket.latest.values().map(|latest| &latest.view);
        let views: Vec<&PodView> = views.filter(|_| state.is_some()).collect();
        let line = Line::Continued {
            version: env!("CARGO_PKG_VERSION"),
            node: &node,
            boot: &boot,
            config: self.config.judging(),
            state,
            namespaces: &self.config.policy.namespace_labels.clone(),
            views,
        };
        self.write_line(self.clock.now(), &line);
        self.docket.forget_settled();
    }

    /// Forgets the Pods that have not been on the node for long.
    pub(super) fn forget(&mut self, now: Moment) {
        self.too_large.retain(|uid| self.sandboxes.has(uid));
        let mut gone = self.docket.ledger.keep(self.sandboxes.uids(), now);
        self.unsaved |= !gone.is_empty();
        // Those that were not judged were written down too.
        let is_open = self.evidence.is_some();
        let (sandboxes, docket) = (&self.sandboxes, &self.docket);
        let is_known =
            |uid: &str| docket.ledger.pod(uid).is_some() || docket.latest.contains_key(uid);
        self.shown.retain(|uid, _| {
            // Open evidence goes on telling of Pods without a sandbox, and says when they leave.
            let stays = is_open || sandboxes.has(uid) || is_known(uid);
            if !stays && !gone.contains(uid) {
                gone.push(uid.clone());
            }
            stays
        });
        for uid in gone {
            self.docket.forget(&uid);
            self.write_line(now, &Line::Forgotten { uid: &uid });
        }
    }
}

fn is_small(state: &State<'_>) -> bool {
    serde_json::to_vec(state).is_ok_and(|text| text.len() <= LARGEST_STATE)
}
