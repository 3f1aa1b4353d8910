//! The Pods on the node, and which of them may be waiting for an image.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cri::Sandbox;
use crate::judge::Moment;

/// A sandbox with a container may still miss another: evidence is wanted when it is this old.
const GROWN: Duration = Duration::from_secs(15);

/// A Pod that complete evidence does not name, for this long, is not Pending. The API server's cache may be a little behind.
pub(super) const ABSENT: Duration = Duration::from_secs(10);

/// Pods that are out of scope, or have nothing left to judge, are looked at again after this.
const AGAIN: Duration = Duration::from_secs(600);

/// The Pods on the node, and which of them are unsettled. By Pod UID.
#[derive(Debug, Default)]
pub(super) struct Sandboxes {
    pods: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    namespace: String,
    name: String,
    since: Moment,
    sandbox: String,
    /// It was seen for the first time at the last look.
    is_new: bool,
    /// It is in the snapshot that is being taken up.
    is_there: bool,
    has_container: bool,
    settled: Option<Settled>,
    /// Reason why it is settled, for people.
    why: String,
    /// Since when complete evidence does not name it.
    absent: Option<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settled {
    /// Not Pending any more.
    Done,
    /// Not named by complete evidence since then.
    Absent(Moment),
    /// Out of scope, or nothing left to judge, until then.
    Until(Moment),
}

impl Entry {
    /// A Pod that has come, by its UID.
    fn new(sandbox: Sandbox, settled: Option<Settled>, now: Moment) -> (String, Self) {
        let why = settled.map_or("", |_| "the configuration excludes the namespace");
        let entry = Self {
            namespace: sandbox.namespace,
            name: sandbox.name,
            since: now,
            sandbox: sandbox.id,
            is_new: true,
            is_there: true,
            has_container: false,
            settled,
            why: why.to_owned(),
            absent: None,
        };
        (sandbox.uid, entry)
    }
}

impl Sandboxes {
    /// Takes up a new snapshot: new Pods are unsettled, those that are gone are forgotten. `skip` names namespaces that are left
    /// alone; `again` lets Pods that were looked away from have their turn.
    pub(super) fn update(
        &mut self,
        found: Vec<Sandbox>,
        now: Moment,
        again: bool,
        skip: impl Fn(&str) -> bool,
    ) {
        for sandbox in found {
            match self.pods.get_mut(&sandbox.uid) {
                Some(entry) if entry.sandbox == sandbox.id => {
                    entry.is_new = false;
                    entry.is_there = true;
                }
                _ => {
                    let settled = skip(&sandbox.namespace).then_some(Settled::Done);
                    let (uid, entry) = Entry::new(sandbox, settled, now);
                    self.pods.insert(uid, entry);
                }
            }
        }
        self.pods
            .retain(|_, entry| std::mem::take(&mut entry.is_there));
        for entry in self.pods.values_mut() {
            if matches!(entry.settled, Some(Settled::Until(due)) if again && now >= due) {
                entry.settled = None;
                entry.absent = None;
            }
            let absent = entry.absent.filter(|since| now.since(*since) >= ABSENT);
            if let (Some(since), None) = (absent, entry.settled) {
                entry.settled = Some(Settled::Absent(since));
                "it is not named among the Pending Pods of this node".clone_into(&mut entry.why);
            }
        }
    }

    /// Notes which sandboxes (by id) have a container.
    pub(super) fn note_containers(&mut self, with_containers: &BTreeSet<String>) {
        for entry in self.pods.values_mut() {
            entry.has_container = with_containers.contains(&entry.sandbox);
        }
    }

    /// Returns the number of unsettled Pods.
    pub(super) fn unsettled(&self) -> usize {
        self.pods.values().filter(|e| e.settled.is_none()).count()
    }

    /// Returns whether evidence is wanted: for a Pod without any container at its second poll, and a little later for one that has some.
    pub(super) fn want_evidence(&self, now: Moment) -> bool {
        self.pods.values().any(|entry| {
            let is_bare = !entry.has_container && !entry.is_new;
            let due = is_bare || now.since(entry.since) >= GROWN;
            entry.settled.is_none() && due
        })
    }

    /// Returns whether a Pod has come that had no container at the last poll. Most have one a moment later, and need no evidence yet.
    pub(super) fn is_any_new(&self) -> bool {
        let is_new = |entry: &Entry| entry.is_new && !entry.has_container;
        self.pods.values().any(|e| is_new(e) && e.settled.is_none())
    }

    /// Returns the reason why the Pod of this name is not judged at present; `None` if the runtime
    /// holds no Pod of this name.
    pub(super) fn why_not(&self, namespace: &str, name: &str) -> Option<String> {
        let of = |entry: &&Entry| entry.namespace == namespace && entry.name == name;
        let entry = self.pods.values().find(of)?;
        Some(match entry.settled {
            None => "it may be waiting for an image, and is looked at as soon as there is evidence"
                .to_owned(),
            Some(Settled::Done | Settled::Absent(_)) => entry.why.clone(),
            Some(Settled::Until(_)) => {
                format!("{}; it is looked at again within ten minutes", entry.why)
            }
        })
    }

    /// Returns whether the Pod of this UID is on the node.
    pub(super) fn has(&self, uid: &str) -> bool {
        self.pods.contains_key(uid)
    }

    /// The UIDs of all Pods on the node.
    pub(super) fn uids(&self) -> impl Iterator<Item = &str> {
        self.pods.keys().map(String::as_str)
    }

    /// Complete evidence named these Pods and no others.
    pub(super) fn complete(&mut self, named: &BTreeSet<String>, now: Moment) {
        for (uid, entry) in &mut self.pods {
            match named.contains(uid) {
                true => entry.absent = None,
                false => _ = entry.absent.get_or_insert(now),
            }
        }
    }

    /// The evidence that was complete is closed or lost: absence from it means nothing any more. Nor does what it settled for Pods that came
    /// after its last word, at `spoken`: it may have been cut off by then. They are looked at again soon.
    pub(super) fn incomplete(&mut self, spoken: Option<Moment>, now: Moment) {
        for entry in self.pods.values_mut() {
            entry.absent = None;
            let Some(Settled::Absent(since)) = entry.settled else {
                continue;
            };
            entry.settled = Some(match spoken {
                Some(spoken) if since <= spoken && entry.has_container => Settled::Done,
                // A cache of the API server that is far behind does not name it yet.
                Some(spoken) if since <= spoken => Settled::Until(now.after(AGAIN)),
                _ => Settled::Until(now.after(ABSENT)),
            });
        }
    }

    /// There is a Pod to judge.
    pub(super) fn unsettle(&mut self, uid: &str) {
        if let Some(entry) = self.pods.get_mut(uid) {
            entry.settled = None;
            entry.absent = None;
        }
    }

    /// Its Pod is not Pending any more.
    pub(super) fn done(&mut self, uid: &str) {
        if let Some(entry) = self.pods.get_mut(uid) {
            entry.settled = Some(Settled::Done);
            entry.why = "the Pod is not Pending any more".to_owned();
        }
    }

    /// Its Pod has nothing to judge for now, and why.
    pub(super) fn look_again_later(&mut self, uid: &str, why: &str, now: Moment) {
        if let Some(entry) = self.pods.get_mut(uid) {
            entry.absent = None;
            why.clone_into(&mut entry.why);
            if !matches!(entry.settled, Some(Settled::Until(_))) {
                entry.settled = Some(Settled::Until(now.after(AGAIN)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    fn sandbox(uid: &str) -> Sandbox {
        Sandbox {
            id: format!("s-{uid}"),
            uid: uid.to_owned(),
            namespace: "n".to_owned(),
            name: uid.to_owned(),
        }
    }

    fn one(now: Moment) -> Sandboxes {
        let mut pods = Sandboxes::default();
        pods.update(vec![sandbox("a")], now, true, |_| false);
        pods
    }

    #[test]
    fn a_pod_without_containers_wants_evidence_at_its_second_look() {
        let mut pods = one(at(0));
        assert!(pods.is_any_new() && !pods.want_evidence(at(0)));
        pods.update(vec![sandbox("a")], at(1), true, |_| false);
        assert!(!pods.is_any_new() && pods.want_evidence(at(1)));
        // Its container has come meanwhile.
        pods.note_containers(&BTreeSet::from(["s-a".to_owned()]));
        assert!(!pods.want_evidence(at(14)));
        assert!(pods.want_evidence(at(15)));
    }

    #[test]
    fn absence_settles_only_after_a_while_and_only_while_complete() {
        let mut pods = one(at(0));
        pods.complete(&BTreeSet::new(), at(0));
        pods.update(vec![sandbox("a")], at(9), true, |_| false);
        assert_eq!(pods.unsettled(), 1);
        pods.incomplete(Some(at(9)), at(9));
        pods.update(vec![sandbox("a")], at(20), true, |_| false);
        assert_eq!(pods.unsettled(), 1);
        pods.complete(&BTreeSet::new(), at(20));
        pods.update(vec![sandbox("a")], at(30), true, |_| false);
        assert_eq!(pods.unsettled(), 0);
        pods.note_containers(&BTreeSet::from(["s-a".to_owned()]));
        pods.incomplete(Some(at(20)), at(30));
        pods.update(vec![sandbox("a")], at(10_000), true, |_| false);
        assert_eq!(pods.unsettled(), 0);
    }

    #[test]
    fn absence_of_a_pod_without_containers_is_checked_again() {
        let mut pods = one(at(0));
        pods.complete(&BTreeSet::new(), at(0));
        pods.update(vec![sandbox("a")], at(10), true, |_| false);
        pods.incomplete(Some(at(30)), at(40));
        pods.update(vec![sandbox("a")], at(639), true, |_| false);
        assert_eq!(pods.unsettled(), 0);
        pods.update(vec![sandbox("a")], at(640), true, |_| false);
        assert_eq!(pods.unsettled(), 1);
    }

    #[test]
    fn what_a_silent_source_does_not_name_is_looked_at_again() {
        let mut pods = one(at(0));
        pods.complete(&BTreeSet::new(), at(0));
        pods.update(vec![sandbox("a")], at(10), true, |_| false);
        assert_eq!(pods.unsettled(), 0);
        // Its last word came before the Pod did.
        pods.incomplete(None, at(30));
        pods.update(vec![sandbox("a")], at(39), true, |_| false);
        assert_eq!(pods.unsettled(), 0);
        pods.update(vec![sandbox("a")], at(40), true, |_| false);
        assert_eq!(pods.unsettled(), 1);
    }

    #[test]
    fn out_of_scope_is_looked_at_again() {
        let mut pods = one(at(0));
        pods.look_again_later("a", "why", at(0));
        pods.look_again_later("a", "why", at(300));
        assert!(!pods.want_evidence(at(599)));
        pods.update(vec![sandbox("a")], at(600), true, |_| false);
        assert!(pods.want_evidence(at(600)));
    }

    #[test]
    fn a_namespace_left_alone_never_wants_evidence() {
        let mut pods = Sandboxes::default();
        pods.update(vec![sandbox("a")], at(0), true, |_| true);
        assert!(!pods.want_evidence(at(10_000)));
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut pods = one(at(0));
        pods.done("a");
        pods.update(Vec::new(), at(1), true, |_| false);
        pods.update(vec![sandbox("a")], at(2), true, |_| false);
        assert_eq!(pods.unsettled(), 1, "it is a new one");
    }
}
