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
    since: Moment,
    sandbox: String,
    has_container: bool,
    settled: Option<Settled>,
    /// Since when complete evidence does not name it.
    absent: Option<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settled {
    /// Not Pending any more.
    Done,
    /// Out of scope, or nothing left to judge, until then.
    Until(Moment),
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
        let mut before = std::mem::take(&mut self.pods);
        for sandbox in found {
            let entry = before.remove(&sandbox.uid);
            let entry = entry.filter(|entry| entry.sandbox == sandbox.id);
            let settled = skip(&sandbox.namespace).then_some(Settled::Done);
            let entry = entry.unwrap_or(Entry {
                since: now,
                sandbox: sandbox.id,
                has_container: false,
                settled,
                absent: None,
            });
            self.pods.insert(sandbox.uid, entry);
        }
        for entry in self.pods.values_mut() {
            if matches!(entry.settled, Some(Settled::Until(due)) if again && now >= due) {
                entry.settled = None;
                entry.absent = None;
            }
            if entry.absent.is_some_and(|since| now.since(since) >= ABSENT) {
                entry.settled.get_or_insert(Settled::Done);
            }
        }
    }

    /// Notes which sandboxes (by id) have a container.
    pub(super) fn note_containers(&mut self, with_containers: &BTreeSet<String>) {
        for entry in self.pods.values_mut() {
            entry.has_container = with_containers.contains(&entry.sandbox);
        }
    }

    /// How many Pods are unsettled.
    pub(super) fn unsettled(&self) -> usize {
        self.pods.values().filter(|e| e.settled.is_none()).count()
    }

    /// Whether evidence is wanted: at once for a Pod without any container, a little later for one that has some.
    pub(super) fn want_evidence(&self, now: Moment) -> bool {
        self.pods.values().any(|entry| {
            let due = !entry.has_container || now.since(entry.since) >= GROWN;
            entry.settled.is_none() && due
        })
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

    /// The evidence that was complete is closed or lost: absence from it means nothing any more.
    pub(super) fn incomplete(&mut self) {
        for entry in self.pods.values_mut() {
            entry.absent = None;
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
        }
    }

    /// Its Pod has nothing to judge for now.
    pub(super) fn look_again_later(&mut self, uid: &str, now: Moment) {
        if let Some(entry) = self.pods.get_mut(uid) {
            entry.absent = None;
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
    fn a_pod_without_containers_wants_evidence_at_once() {
        let mut pods = one(at(0));
        assert!(pods.want_evidence(at(0)));
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
        pods.incomplete();
        pods.update(vec![sandbox("a")], at(20), true, |_| false);
        assert_eq!(pods.unsettled(), 1);
        pods.complete(&BTreeSet::new(), at(20));
        pods.update(vec![sandbox("a")], at(30), true, |_| false);
        assert_eq!(pods.unsettled(), 0);
    }

    #[test]
    fn out_of_scope_is_looked_at_again() {
        let mut pods = one(at(0));
        pods.look_again_later("a", at(0));
        pods.look_again_later("a", at(300));
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
