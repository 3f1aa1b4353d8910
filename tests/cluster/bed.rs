use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

use serde_json::json;
use testbed::{Node, NodeOptions};

use crate::agent::{Agent, OWN, SHARED};
use crate::cluster::Cluster;

/// Nodes that are up at a time; more would only wait for each other on two cores.
const AT_A_TIME: usize = 3;

/// Tests that can share a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Most: one agent that enforces, with a failure count of 3.
    Main,
    /// A node that is full by CPU.
    NextJob,
    /// A node whose pulls hang.
    InFlight,
    /// Pulls one after the other, as the kubelet does by default, and one that holds up the others.
    Slow,
    /// A node whose API server's audit log is read.
    Quiet,
    /// A node whose parts are restarted.
    Recovery,
}

/// A real node, shared by the tests of a group while any of them runs.
pub struct Bed {
    /// The group's agent; ends before the node does.
    agent: Option<Agent>,
    /// The node.
    pub node: Node,
    _place: Place,
}

struct Beds {
    up: BTreeMap<Group, Weak<Bed>>,
    places: usize,
}

static BEDS: Mutex<Beds> = Mutex::new(Beds {
    up: BTreeMap::new(),
    places: AT_A_TIME,
});
static FREED: Condvar = Condvar::new();

/// One of the nodes that may be up.
struct Place;

impl Drop for Place {
    fn drop(&mut self) {
        BEDS.lock().unwrap_or_else(PoisonError::into_inner).places += 1;
        FREED.notify_all();
    }
}

impl Bed {
    /// The node of `group`; starts it, once there is a place, if no other test has.
    pub fn of(group: Group) -> Arc<Self> {
        let mut beds = BEDS.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(bed) = beds.up.get(&group).and_then(Weak::upgrade) {
                return bed;
            }
            if beds.places > 0 {
                break;
            }
            beds = FREED.wait(beds).unwrap_or_else(PoisonError::into_inner);
        }
        let node = Node::start(NodeOptions {
            kubelet: json!({ "serializeImagePulls": group == Group::Slow }),
            ..options()
        });
        let node = node.unwrap_or_else(|error| panic!("starting the node of {group:?}: {error:#}"));
        let rbac = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/rbac.yaml");
        let applied = node.kubectl().args(["apply", "-f", rbac]).output().unwrap();
        assert!(applied.status.success(), "{applied:?}");
        let agent = match group {
            Group::Main | Group::NextJob => Some(Agent::enforcing(&node, "shared").start()),
            _ => None,
        };
        beds.places -= 1;
        let bed = Arc::new(Self {
            agent,
            node,
            _place: Place,
        });
        beds.up.insert(group, Arc::downgrade(&bed));
        bed
    }

    /// The group's agent.
    pub fn agent(&self) -> &Agent {
        self.agent.as_ref().expect("the group has an agent")
    }

    /// Runs a test in this thread, inside the node's network, in a namespace of its own.
    pub fn run<F: Future<Output = ()>>(&self, namespace: &str, test: impl FnOnce(Cluster) -> F) {
        let known = OWN.contains(&namespace) || SHARED.contains(&namespace);
        assert!(
            known,
            "{namespace} must be listed, so that every agent knows whose it is"
        );
        self.node.enter().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let cluster = Cluster::connect(&self.node.admin_kubeconfig(), namespace).await;
            test(cluster).await;
        });
    }
}

/// The versions that the runner asks for.
fn options() -> NodeOptions {
    let mut options = NodeOptions::default();
    if let Ok(version) = std::env::var("TESTBED_KUBERNETES") {
        options.kubernetes = version;
    }
    if let Ok(version) = std::env::var("TESTBED_CONTAINERD") {
        options.containerd = version;
    }
    options
}
