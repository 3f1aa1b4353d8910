//! The node's journal: every event that may change what is known, and what followed from it.
//!
//! The agent writes it, `replay` judges by it again, `explain` shows it to people.

pub mod files;
pub mod line;
pub mod log;
pub mod marks;
pub mod namespaces;
pub mod read;
mod write;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tracing::warn;

use crate::judge::{Effect, Event, Judge, Moment, Note, PodId, PodView};
use line::{Head, Line, OfPod, State, Write};
use log::{NodeLog, Stamp};

/// Largest state that is put into a line, in bytes, and with the views of all Pods: the journal is for
/// what happens, and a file of it must have room for more than this.
const LARGEST_STATE: usize = 1024 * 1024;

/// The journal of a run.
#[derive(Debug)]
pub struct Journal {
    log: NodeLog,
    /// Name of the node.
    node: String,
    /// The kernel's name for this boot.
    boot: String,
    /// The configuration in force, as far as verdicts depend on it.
    config: Value,
    /// Digest of the view of each Pod that was written last, by UID.
    shown: BTreeMap<String, u64>,
    /// Time of the last tick.
    ticked: Option<Moment>,
}

/// Both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Wall clock.
    pub wall: Timestamp,
    /// Boot clock.
    pub boot: Moment,
}

impl Journal {
    /// A journal in these files, of a run that begins now. `counts` is the fate of an earlier run's
    /// counts.
    pub fn begin(
        log: NodeLog,
        (node, boot): (&str, &str),
        config: Value,
        counts: &str,
        judge: &Judge,
        now: Now,
    ) -> Self {
        let mut journal = Self {
            log,
            node: node.to_owned(),
            boot: boot.to_owned(),
            config,
            shown: BTreeMap::new(),
            ticked: None,
        };
        let mut head = journal.head();
        head.counts = Some(counts.to_owned());
        let judge = Some(judge).filter(|_| counts == "kept");
        head.state = judge.and_then(|judge| state(judge, Room(LARGEST_STATE)));
        journal.line(&Line::Start(Box::new(head)), now);
        journal
    }

    /// The configuration changes to this with the next event.
    pub fn configure(&mut self, config: Value) {
        self.config = config;
    }

    /// Writes an event and what followed from it, as far as it is worth a line. `judge` is the state
    /// after the event.
    pub fn write(&mut self, event: &Event, effects: &[Effect], judge: &Judge, now: Now) {
        if self.is_worth_a_line(event, effects)
            && let Some(line) = write::event(event, &self.config)
        {
            self.line(&line, now);
        }
        for effect in effects {
            match effect {
                Effect::Note(Note::Left { pod, written, .. }) => {
                    self.shown.remove(&pod.uid);
                    let line = write::left(pod, written.is_some(), view_of(event));
                    self.line(&line, now);
                }
                Effect::Note(note) => {
                    if let Some(line) = write::note(note) {
                        self.line(&line, now);
                    }
                }
                _ => {}
            }
        }
        for effect in effects {
            // A Pod of which nothing was known was written down too.
            if let Effect::Stop { uid } = effect
                && !judge.knows(uid)
                && self.shown.remove(uid).is_some()
            {
                let view = view_of(event);
                let pod = view.map_or_else(|| nameless(uid), PodView::id);
                self.line(&write::left(&pod, false, view), now);
            }
        }
        if matches!(event, Event::Tick) {
            self.ticked = Some(now.boot);
        }
    }

    /// Writes the requests about a Pod that were made, each with `ok` or what was answered.
    pub fn requests(&mut self, pod: &PodId, requests: &[(&'static str, &str)], now: Now) {
        for (step, result) in requests {
            let line = Line::Write(Write {
                of: OfPod::from(pod),
                step: (*step).to_owned(),
                result: (*result).to_owned(),
            });
            self.line(&line, now);
        }
    }

    /// Forgets the Pods that were written down, and of which nothing is known any more.
    pub fn forget(&mut self, stays: impl Fn(&str) -> bool, now: Now) {
        let gone = self.shown.extract_if(.., |uid, _| !stays(uid));
        let gone: Vec<String> = gone.map(|(uid, _)| uid).collect();
        for uid in gone {
            self.line(&Line::Forgotten(line::Forgotten { uid }), now);
        }
    }

    /// Writes what is known where a new file has begun, so that the file can be judged by itself.
    /// To be called when nothing is half told. Returns whether that was so.
    pub fn begin_file(&mut self, judge: &Judge, now: Now) -> bool {
        let is_due = self.log.wants_heading();
        if is_due {
            self.begin_file_now(judge, now);
        }
        is_due
    }

    /// Writes what is known as if a new file had begun.
    pub fn begin_file_now(&mut self, judge: &Judge, now: Now) {
        let mut head = self.head();
        let views = judge.latest().values().map(|latest| &latest.view);
        let mut room = Room(LARGEST_STATE);
        let is_small = views.clone().all(|view| room.takes(view));
        head.state = state(judge, room).filter(|_| is_small);
        head.views = Some(views.filter(|_| head.state.is_some()).cloned().collect());
        let (namespaces, annotations) = namespaces::written(&judge.policy().namespaces);
        head.namespaces = Some(namespaces);
        head.namespace_annotations = annotations;
        self.line(&Line::Continued(Box::new(head)), now);
    }

    fn head(&self) -> Head {
        Head {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node: self.node.clone(),
            boot: self.boot.clone(),
            counts: None,
            config: self.config.clone(),
            state: None,
            namespaces: None,
            namespace_annotations: line::Texts::new(),
            views: None,
        }
    }

    /// A view is left out if it is the last one that was written of the Pod, and nothing followed
    /// from it. A tick is left out if nothing followed from it.
    fn is_worth_a_line(&mut self, event: &Event, effects: &[Effect]) -> bool {
        let is_news = |effect: &Effect| matches!(effect, Effect::Note(Note::Verdict { .. }));
        match event {
            Event::Observed(view) => {
                // A view that is older than what is known has no effects.
                let is_stale = effects
                    .iter()
                    .all(|e| matches!(e, Effect::AskNamespace { .. } | Effect::Revert(_)));
                !is_stale && (self.is_new(view) || effects.iter().any(is_news))
            }
            Event::Tick => effects.iter().any(is_news),
            _ => true,
        }
    }

    /// The version alone makes a view no other one, nor that it is a source's first word.
    fn is_new(&mut self, view: &PodView) -> bool {
        let mut hasher = DefaultHasher::new();
        let bare = PodView {
            resource_version: String::new(),
            first: false,
            ..view.clone()
        };
        bare.hash(&mut hasher);
        let digest = hasher.finish();
        self.shown.insert(view.uid.clone(), digest) != Some(digest)
    }

    fn line(&mut self, line: &Line, now: Now) {
        let stamp = Stamp {
            time: now.wall,
            at: now.boot,
            ticked: self.ticked,
        };
        if let Err(error) = self.log.write(stamp, line) {
            let path = self.log.path().display();
            warn!(%path, %error, "the journal cannot be written, going on without");
        }
    }
}

/// The state, if there is room for it.
fn state(judge: &Judge, mut room: Room) -> Option<State> {
    let state = State::from(judge.kept());
    room.takes(&state).then_some(state)
}

/// Bytes that are left for a line. A text that is written here is only counted.
struct Room(usize);

impl Room {
    /// Returns whether there is room for the value's text.
    fn takes(&mut self, value: &impl Serialize) -> bool {
        serde_json::to_writer(self, value).is_ok()
    }
}

impl io::Write for Room {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let left = self.0.checked_sub(text.len());
        self.0 = left.ok_or(io::ErrorKind::StorageFull)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn view_of(event: &Event) -> Option<&PodView> {
    match event {
        Event::Observed(view) => Some(view),
        Event::Left { view, .. } => view.as_deref(),
        _ => None,
    }
}

fn nameless(uid: &str) -> PodId {
    PodId {
        uid: uid.to_owned(),
        namespace: String::new(),
        name: String::new(),
    }
}
