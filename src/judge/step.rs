//! All that is known of one node, and the one way to change it: [`Judge::step`].
//!
//! The agent gives it what happens, a replay what the journal has. `step/following.rs` says what
//! follows from a verdict.

mod following;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::verdict::deciding::judge;
use super::{
    Because, BrakeMemory, Brakes, Effect, Event, FailRequest, Latest, Ledger, Moment, Namespaces,
    Note, PodId, PodView, Policy, Settings, Stage, Verdict,
};

/// Time after a start within which evidence names each Pod that an earlier run has marked.
const NAMED_BY: Duration = Duration::from_secs(30);

/// State that must survive a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Moment until which no Pod is failed on this boot.
    pub warm_up_until: Moment,
    /// Memory of the brakes.
    pub memory: BrakeMemory,
    /// Counts.
    pub ledger: Ledger,
}

/// All that is known of one node.
#[derive(Clone, Debug)]
pub struct Judge {
    /// The policy in force.
    policy: Policy,
    /// Counts.
    ledger: Ledger,
    /// Settings and memory of the brakes.
    brake: Brakes,
    /// The newest view of each Pod that is being judged, by UID.
    latest: BTreeMap<String, Latest>,
    /// The last verdict on each Pod that has nothing to judge for now, by UID.
    settled: BTreeMap<String, Verdict>,
    /// The reports that are under way, by the Pod's UID.
    reports: BTreeMap<String, FailRequest>,
    /// The Pods that left while the report on them was under way, by UID.
    gone: BTreeSet<String>,
    /// The Pods that are too large to be judged, by UID. Each was said once.
    too_large: BTreeSet<String>,
    /// By then evidence has named each Pod that an earlier run has marked.
    named_by: Moment,
}

impl Judge {
    /// A first start on a boot, with nothing known.
    pub fn new(settings: Settings, now: Moment) -> Self {
        Self {
            policy: settings.policy,
            ledger: Ledger::default(),
            brake: Brakes {
                warm_up_until: now.after(settings.warm_up),
                rules: settings.brakes,
                memory: BrakeMemory::default(),
            },
            latest: BTreeMap::new(),
            settled: BTreeMap::new(),
            reports: BTreeMap::new(),
            gone: BTreeSet::new(),
            too_large: BTreeSet::new(),
            named_by: now.after(NAMED_BY),
        }
    }

    /// A start with what an earlier run has kept; on the boot of before, or on another.
    pub fn restarted(settings: Settings, kept: Kept, same_boot: bool, now: Moment) -> Self {
        let mut judge = Self::new(settings, now);
        judge.ledger = kept.ledger;
        judge.brake.memory = kept.memory;
        // A report that was cut off may have written the condition.
        judge.ledger.restarted();
        // The rules may have changed while no agent ran.
        judge.ledger.known_bad.clear();
        match same_boot {
            true => judge.warm_up_no_longer_than(kept.warm_up_until),
            false => {
                judge.ledger.rebooted(now);
                judge.brake.rebooted(now);
            }
        }
        judge
    }

    /// The middle of a run, as the beginning of a journal's file has it: what was kept, and the Pods
    /// that were being judged. The verdicts on them are not known.
    pub fn resumed(settings: Settings, kept: Option<Kept>, views: &[PodView], now: Moment) -> Self {
        let mut judge = Self::new(settings, now);
        if let Some(kept) = kept {
            judge.warm_up_no_longer_than(kept.warm_up_until);
            judge.brake.memory = kept.memory;
            judge.ledger = kept.ledger;
        }
        for view in views {
            let latest = Latest::new(view.clone(), Verdict::unknown(), now, None);
            judge.latest.insert(view.uid.clone(), latest);
        }
        judge
    }

    /// Takes up one thing that happened, at this moment. Returns what follows from it, in order.
    pub fn step(&mut self, event: &Event, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Observed(view) => self.judge(view, now, &mut effects),
            Event::Left { uid, view } => self.left(uid, view.as_deref(), now, &mut effects),
            Event::ImageArrived { image, at } => {
                self.brake.memory.registries.pulled(image, *at);
                self.ledger.known_bad.pulled(image);
                if at.is_some() {
                    self.ledger.pulled_by_another(image, "");
                }
            }
            Event::NamespaceRead { namespace, known } => {
                self.namespace_read(namespace, known, now, &mut effects);
            }
            Event::Configured(settings) => self.configured(settings, now, &mut effects),
            Event::Tick => self.tick(now, &mut effects),
            Event::Reported {
                pod,
                image,
                ending,
                marked,
            } => self.reported(pod, image, ending, *marked, now, &mut effects),
            Event::Reverted { pod, undone } => self.reverted(pod, *undone, now, &mut effects),
            Event::Followed {
                pod,
                image,
                because,
                became,
            } => {
                if *became == super::Aftermath::Started {
                    effects.push(started(pod.clone(), image, *because));
                }
            }
            Event::OnNode(uids) => self.on_node(uids, now, &mut effects),
            Event::Forgotten { uid } => self.forget(uid),
            Event::NewFile => self.settled.clear(),
        }
        effects.extend(self.ledger.to_revert().map(Effect::Revert));
        effects
    }

    /// State that must survive a restart.
    pub fn kept(&self) -> Kept {
        Kept {
            warm_up_until: self.brake.warm_up_until,
            memory: self.brake.memory.clone(),
            ledger: self.ledger.clone(),
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Counts.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Settings and memory of the brakes.
    pub fn brake(&self) -> &Brakes {
        &self.brake
    }

    /// The newest view of each Pod that is being judged, by UID.
    pub fn latest(&self) -> &BTreeMap<String, Latest> {
        &self.latest
    }

    /// The last verdict on a Pod.
    pub fn verdict(&self, uid: &str) -> Option<&Verdict> {
        let latest = self.latest.get(uid).map(|latest| &latest.verdict);
        latest.or_else(|| self.settled.get(uid))
    }

    /// Number of Pods on the node that are too large to be judged.
    pub fn too_large(&self) -> usize {
        self.too_large.len()
    }

    /// An image of a Pod that is being judged fails at present.
    pub fn is_any_failing(&self) -> bool {
        let records = self.latest.keys().filter_map(|uid| self.ledger.pod(uid));
        let mut images = records.flat_map(|record| record.images.values());
        images.any(|image| image.last.is_some())
    }

    /// Something is known of this Pod.
    pub fn knows(&self, uid: &str) -> bool {
        self.ledger.pod(uid).is_some() || self.latest.contains_key(uid)
    }

    /// Something is remembered of a Pod that may have gone from the node.
    pub fn remembers_any(&self) -> bool {
        self.ledger.pods().next().is_some() || !self.too_large.is_empty()
    }

    /// Returns the earliest moment at which the clock alone may bring another verdict: only reasons
    /// that stand are decided by it.
    pub fn next_by_clock(&self) -> Option<Moment> {
        let standing = self
            .latest
            .iter()
            .filter(|(uid, _)| self.is_standing(uid))
            .filter_map(|(_, latest)| latest.next_by_clock());
        standing.min()
    }

    /// Only reasons that stand are decided by the clock.
    fn tick(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        for view in self.views(|judge, view| judge.is_standing(&view.uid)) {
            self.judge(&view, now, effects);
        }
        let namespaces: BTreeSet<&String> = self
            .latest
            .values()
            .map(|latest| &latest.view.namespace)
            .collect();
        let ask = namespaces.into_iter().filter_map(|n| self.ask_namespace(n));
        effects.extend(ask.collect::<Vec<_>>());
        if now >= self.named_by {
            let latest = &self.latest;
            self.ledger.unnamed_is_over(|uid| latest.contains_key(uid));
        }
    }

    fn is_standing(&self, uid: &str) -> bool {
        let images = self.ledger.pod(uid).map(|record| record.images.values());
        images.is_some_and(|mut images| images.any(|image| image.standing.is_some()))
    }

    fn views(&self, which: impl Fn(&Self, &PodView) -> bool) -> Vec<PodView> {
        let views = self.latest.values().map(|latest| &latest.view);
        views.filter(|view| which(self, view)).cloned().collect()
    }

    fn ask_namespace(&self, namespace: &str) -> Option<Effect> {
        let namespace = namespace.to_owned();
        let asks = self.policy.reads_namespace(&namespace);
        asks.then_some(Effect::AskNamespace { namespace })
    }

    fn namespace_read(
        &mut self,
        namespace: &str,
        known: &Namespaces,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        self.policy.namespaces.clone_from(known);
        // They may put the Pods that are judged out of scope.
        for view in self.views(|_, view| view.namespace == namespace) {
            self.judge(&view, now, effects);
        }
    }

    fn configured(&mut self, settings: &Settings, now: Moment, effects: &mut Vec<Effect>) {
        let before = std::mem::replace(&mut self.policy, settings.policy.clone());
        // These do not come from the configuration.
        self.policy.node = before.node;
        self.policy.namespaces = before.namespaces;
        self.brake.rules = settings.brakes;
        // It was learned by other rules.
        self.ledger.known_bad.clear();
        self.ledger.denials_are_over();
        self.brake.memory.fleet.clear();
        self.brake.memory.stopped.clear();
        self.warm_up_no_longer_than(now.after(settings.warm_up));
        for view in self.views(|_, _| true) {
            self.judge(&view, now, effects);
        }
    }

    /// A shorter warm-up takes effect at once, a longer one at the next boot.
    fn warm_up_no_longer_than(&mut self, until: Moment) {
        self.brake.warm_up_until = self.brake.warm_up_until.min(until);
    }

    fn judge(&mut self, view: &PodView, now: Moment, effects: &mut Vec<Effect>) {
        effects.extend(self.ask_namespace(&view.namespace));
        let verdict = judge(&mut self.ledger, &mut self.brake, &self.policy, view, now);
        if verdict.observed.stale {
            return;
        }
        self.adopt(view);
        self.follow(view, verdict, now, effects);
    }

    /// Marks a Pod that shows a condition of ours. This run of the agent has written it, or an earlier one whose state is lost. A Pod that the
    /// configuration excludes is left alone.
    fn adopt(&mut self, view: &PodView) {
        let policy = &self.policy;
        let is_ours = view.node == policy.node && !view.mirror && !policy.excludes(&view.namespace);
        if view.marked && !view.ending && is_ours {
            self.ledger.mark(&view.uid, &view.namespace, &view.name);
        }
    }

    /// Forgets a Pod that is not Pending any more, or gone. A report on it that is under way finds
    /// that out itself; the Pod is then forgotten when the report ends.
    fn left(&mut self, uid: &str, view: Option<&PodView>, now: Moment, effects: &mut Vec<Effect>) {
        effects.push(Effect::Stop {
            uid: uid.to_owned(),
        });
        if let Some(view) = view {
            self.ledger.known_bad.has_pulled(view);
            self.adopt(view);
            self.ledger.mark_over(uid);
        }
        if self.stage(uid) == Some(Stage::Writing) {
            self.gone.insert(uid.to_owned());
            return;
        }
        self.latest.remove(uid);
        self.settled.remove(uid);
        match self.stage(uid) {
            Some(Stage::Written(_)) => self.ledger.unmark(uid),
            Some(_) => self.ledger.mark_over(uid),
            None => {}
        }
        let Some(record) = self.ledger.forget(uid) else {
            return;
        };
        let pod = PodId {
            uid: uid.to_owned(),
            namespace: record.namespace.clone(),
            name: record.name.clone(),
        };
        let written = match record.stage {
            Stage::Written(at) => Some(now.since(at)),
            _ => None,
        };
        effects.push(Effect::Note(Note::Left {
            pod: pod.clone(),
            written,
            had_failures: record.images.values().any(|image| image.failures > 0),
        }));
        let Some((image, because)) = record.due().filter(|_| written.is_none()) else {
            return;
        };
        match view {
            Some(view) if view.has_started(image) => effects.push(started(pod, image, because)),
            Some(_) => {}
            None => effects.push(Effect::AskWhetherStarted {
                pod,
                image: image.to_owned(),
                because,
            }),
        }
    }

    fn on_node(&mut self, uids: &BTreeSet<String>, now: Moment, effects: &mut Vec<Effect>) {
        self.too_large.retain(|uid| uids.contains(uid));
        for uid in self.ledger.keep(uids.iter().map(String::as_str), now) {
            self.forget(&uid);
            effects.push(Effect::Note(Note::Forgotten { uid }));
        }
    }

    /// Forgets a Pod, whatever became of it. Its mark stays.
    fn forget(&mut self, uid: &str) {
        self.ledger.forget(uid);
        self.latest.remove(uid);
        self.settled.remove(uid);
    }

    fn stage(&self, uid: &str) -> Option<Stage> {
        self.ledger.pod(uid).map(|record| record.stage)
    }
}

/// A Pod that would have been failed has started after all: the number that says whether to trust the settings.
fn started(pod: PodId, image: &str, because: Because) -> Effect {
    Effect::Note(Note::StartedAfterAll {
        pod,
        image: image.to_owned(),
        because,
    })
}
