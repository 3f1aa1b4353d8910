//! The table: Pods go in one by one, groups of them come out. It is pure, and keeps no Pod.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use crate::evidence::{Pod, amounts};
use crate::judge::{Cause, NamespaceView, PodView, Policy, Reference, Snapshot};

/// Field by which Pods are grouped. Each group has one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Image reference as in the Pod's spec.
    Image,
    /// Registry of the image.
    Registry,
    /// Namespace of the Pod.
    Namespace,
    /// Node that the Pod is bound to.
    Node,
}

impl By {
    /// All fields; the first is the default.
    pub const ALL: [Self; 4] = [Self::Image, Self::Registry, Self::Namespace, Self::Node];

    /// Returns the word used on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Registry => "registry",
            Self::Namespace => "namespace",
            Self::Node => "node",
        }
    }

    fn name<'a>(self, view: &'a PodView, image: &'a str) -> &'a str {
        match self {
            Self::Image => image,
            Self::Registry => Reference::of(image).registry,
            Self::Namespace => &view.namespace,
            Self::Node => &view.node,
        }
    }
}

/// A Pending Pod, as far as a survey reads it.
#[derive(Clone, Debug)]
pub struct Seen {
    view: PodView,
    bound: Option<Timestamp>,
    holds: BTreeMap<String, f64>,
}

impl Seen {
    /// Reads a Pod.
    pub fn of(pod: &Pod) -> Self {
        let holds = amounts(pod).into_iter();
        Self {
            view: pod.view(),
            bound: pod.bound_at(),
            holds: holds
                .map(|(name, amount)| (name.to_owned(), amount))
                .collect(),
        }
    }

    /// Namespace of the Pod.
    pub fn namespace(&self) -> &str {
        &self.view.namespace
    }
}

/// Name that is kept once, however many groups have it.
type Name = Rc<str>;

/// Pods that wait for images, taken together.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Number of Pods.
    pub pods: u64,
    /// Image references.
    pub images: BTreeSet<Name>,
    /// Nodes.
    pub nodes: BTreeSet<Name>,
    /// Namespaces.
    pub namespaces: BTreeSet<Name>,
    /// UIDs of the controlling owners.
    pub owners: BTreeSet<Name>,
    /// Time since which the first of them is bound to its node.
    pub oldest: Option<Timestamp>,
    /// Amounts that they request, by resource.
    pub holds: BTreeMap<Name, f64>,
    /// Plans for them, each with the number of Pods. A Pod with two failing images may have two.
    pub plans: BTreeMap<Plan, u64>,
}

/// Pods of one survey.
#[derive(Debug)]
pub struct Table {
    by: By,
    policy: Policy,
    names: BTreeSet<Name>,
    /// Groups by their name and cause.
    pub groups: BTreeMap<(Name, Cause), Group>,
    /// All Pods that wait for images, each once.
    pub total: Group,
    /// All Pending Pods.
    pub pending: u64,
    /// Pending Pods without failing images that are not bound to a node.
    pub unscheduled: u64,
    /// Pods that an agent does not judge because they are too large. Their images are not read.
    pub too_large: u64,
}

impl Table {
    /// Returns a table without Pods, for agents of this policy.
    pub fn new(by: By, policy: Policy) -> Self {
        Self {
            by,
            policy,
            names: BTreeSet::new(),
            groups: BTreeMap::new(),
            total: Group::default(),
            pending: 0,
            unscheduled: 0,
            too_large: 0,
        }
    }

    /// Returns true if the plan for a Pod depends on its namespace, which is not known.
    pub fn needs_namespace(&self, pod: &Seen) -> bool {
        let (namespace, known) = (pod.namespace(), &self.policy.namespaces);
        let has_failing = || !Snapshot::of(&pod.view, &self.policy).images.is_empty();
        self.policy.reads_namespace(namespace) && !known.contains_key(namespace) && has_failing()
    }

    /// Takes a namespace.
    pub fn know(&mut self, namespace: &str, view: NamespaceView) {
        let known = &mut self.policy.namespaces;
        known.insert(namespace.to_owned(), view);
    }

    /// Adds a Pending Pod.
    pub fn add(&mut self, pod: &Seen) {
        let view = &pod.view;
        self.pending += 1;
        // Each agent has this policy with its own node.
        self.policy.node.clone_from(&view.node);
        let Snapshot { rules, images } = Snapshot::of(view, &self.policy);
        if images.is_empty() {
            self.too_large += u64::from(view.too_large);
            self.unscheduled += u64::from(view.node.is_empty() && !view.too_large);
            return;
        }
        let mut groups: BTreeMap<(Name, Cause), BTreeSet<Name>> = BTreeMap::new();
        let mut plans: BTreeMap<(Name, Cause), BTreeSet<Plan>> = BTreeMap::new();
        for (image, failing) in &images {
            let name = self.name(self.by.name(view, image));
            let key = (name, failing.error.cause);
            let image = self.name(image);
            groups.entry(key.clone()).or_default().insert(image);
            let plan = Plan::of(&self.policy, view, &rules, failing);
            plans.entry(key).or_default().insert(plan);
        }
        let place = Place {
            node: self.name(&view.node),
            namespace: self.name(&view.namespace),
            owner: view.owner.as_ref().map(|owner| self.name(&owner.uid)),
            holds: pod
                .holds
                .iter()
                .map(|(resource, amount)| (self.name(resource), *amount))
                .collect(),
        };
        let all = groups.values().flatten().cloned().collect();
        let every = plans.values().flatten().cloned().collect();
        self.total.add(pod, &place, all, every);
        for (key, images) in groups {
            let plans = plans.remove(&key).unwrap_or_default();
            let group = self.groups.entry(key).or_default();
            group.add(pod, &place, images, plans);
        }
    }

    fn name(&mut self, name: &str) -> Name {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let name = Name::from(name);
        self.names.insert(name.clone());
        name
    }
}

/// Names of a Pod's surroundings.
struct Place {
    node: Name,
    namespace: Name,
    owner: Option<Name>,
    holds: Vec<(Name, f64)>,
}

impl Group {
    fn add(&mut self, pod: &Seen, place: &Place, images: BTreeSet<Name>, plans: BTreeSet<Plan>) {
        self.pods += 1;
        self.images.extend(images);
        self.nodes.insert(place.node.clone());
        self.namespaces.insert(place.namespace.clone());
        self.owners.extend(place.owner.clone());
        self.oldest = [self.oldest, pod.bound].into_iter().flatten().min();
        for (resource, amount) in &place.holds {
            *self.holds.entry(resource.clone()).or_default() += amount;
        }
        for plan in plans {
            *self.plans.entry(plan).or_default() += 1;
        }
    }
}
