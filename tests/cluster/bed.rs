use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError, Weak};

use serde_json::{Value, json};
use testbed::{
    Controller, ControllerOptions, Network, Node, NodeOptions, RunningController, Runtime,
};

use crate::agent::{Agent, Plan};
use crate::cluster::Cluster;
use crate::namespaces::{OWN, SHARED};
use crate::reasons;

/// Nodes that are up at a time, unless `TESTBED_NODES` says otherwise. With four, two cores are busy for some half of the time.
const AT_A_TIME: usize = 4;

/// Tests that can share a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Most: one agent that enforces, with a failure count of 3.
    Main,
    /// A node that is full by CPU.
    NextJob,
    /// A node whose pulls hang.
    InFlight,
    /// Every way to fail at once: no limit on pulls, and a store for images that can be full.
    Matrix,
    /// Pulls one after the other, as the kubelet does by default, and one that holds up the others.
    Slow,
    /// A node where much fails at once, and brakes hold it.
    Brakes,
    /// A node where much fails and heals, and parts are restarted meanwhile.
    Patience,
    /// A node for what takes hours.
    #[cfg(feature = "soak")]
    Hours,
    /// A node whose registries answer wrongly for an hour.
    #[cfg(feature = "soak")]
    Hour,
    /// A node whose API server's audit log is read.
    Quiet,
    /// The same, for an agent that may use the kubelet's socket.
    Sources,
    /// A node whose parts are restarted.
    Recovery,
    /// A node whose runtime is killed in the middle of a pull.
    MidPull,
    /// A node where Jobs start and end all the time.
    Churn,
    /// A node whose kubelet's socket is read slowly, hidden, or by two agents at once.
    Readers,
    /// A node whose kubelet is restarted.
    Restarts,
    /// A node whose API server is away.
    Gone,
    /// A node whose API server holds an agent's token to its writes.
    Policy,
    /// The same, and admission plugins of others.
    Plugins,
    /// The same, and Pods as large as can be.
    Costly,
    /// The same, for the preflight: nobody switches its writes off.
    Check,
    /// A node on which deploy/ is installed.
    Deployed,
    /// The same, by the documentation's own commands.
    Documented,
    /// The same, and what it stands on goes wrong.
    Hardship,
    /// The same, and its policy is deleted.
    #[cfg(feature = "soak")]
    Unguarded,
    /// The same, with these IP families.
    Network(Network),
    /// The same, with as many large Pods as a node has.
    Crowd,
    /// A node without an agent, beside many nodes that are only names.
    Survey,
    /// A cluster of two nodes.
    Two,
    /// A node with Kueue.
    Kueue,
    /// A node with a Kueue that admits nothing while what it has admitted is not ready.
    KueueBlocks,
    /// A node with a Kueue that waits less than an agent.
    KueueHasty,
    /// A node with JobSet.
    JobSet,
    /// A node with Tekton as it comes.
    Tekton,
    /// A node with a Tekton that leaves pulls to an agent.
    TektonWaits,
    /// A node with Argo Workflows.
    #[cfg(feature = "soak")]
    Argo,
}

impl Group {
    /// The controller on its node, with its settings.
    fn controller(self) -> Option<(Controller, Value)> {
        match self {
            Self::Kueue => Some((Controller::Kueue, Value::Null)),
            Self::KueueBlocks => {
                let ready = json!({"timeout": "5m", "blockAdmission": true});
                Some((Controller::Kueue, json!({"waitForPodsReady": ready})))
            }
            // A third failure comes 30 s after the first.
            Self::KueueHasty => {
                let soon = json!({"backoffBaseSeconds": 5});
                let ready = json!({"timeout": "15s", "requeuingStrategy": soon});
                Some((Controller::Kueue, json!({"waitForPodsReady": ready})))
            }
            Self::JobSet => Some((Controller::JobSet, Value::Null)),
            Self::Tekton => Some((Controller::Tekton, Value::Null)),
            Self::TektonWaits => {
                let wait = json!({"default-imagepullbackoff-timeout": "2h"});
                Some((Controller::Tekton, wait))
            }
            #[cfg(feature = "soak")]
            Self::Argo => Some((Controller::Argo, Value::Null)),
            _ => None,
        }
    }

    /// True if its node is up for minutes. Such a node starts before the others, so that the last one is up alone for a short time only.
    fn is_long(self) -> bool {
        matches!(
            self,
            Self::Main
                | Self::Matrix
                | Self::NextJob
                | Self::Recovery
                | Self::Patience
                | Self::Documented
        )
    }
}

/// A real node, shared by the tests of a group while any of them runs.
pub struct Bed {
    /// The group's agent; ends before the node does.
    agent: Option<Agent>,
    /// The group's controller; ends before the node does.
    controller: Option<Mutex<RunningController>>,
    /// The group's second node; ends before the first does.
    second: Option<Node>,
    /// The node.
    pub node: Node,
    _place: Place,
}

struct Beds {
    up: BTreeMap<(Group, Runtime), Weak<Bed>>,
    places: usize,
}

/// Tests of long groups that wait for a node.
static LONG: AtomicUsize = AtomicUsize::new(0);

static BEDS: LazyLock<Mutex<Beds>> = LazyLock::new(|| {
    let places = asked("TESTBED_NODES").map_or(AT_A_TIME, |nodes| nodes.parse().unwrap());
    Mutex::new(Beds {
        up: BTreeMap::new(),
        places,
    })
});
static FREED: Condvar = Condvar::new();

thread_local! {
    /// The runtime that the running test wants on its nodes, if it is not the runner's.
    static WANTED: Cell<Option<Runtime>> = const { Cell::new(None) };
}

/// Runs a test of another module on nodes with CRI-O.
pub fn on_crio(test: impl FnOnce()) {
    struct Back;
    impl Drop for Back {
        fn drop(&mut self) {
            WANTED.set(None);
        }
    }
    let _back = Back;
    WANTED.set(Some("crio".parse().unwrap()));
    test();
}

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
        reasons::at_once();
        let key = (group, options().runtime);
        let long = usize::from(group.is_long());
        LONG.fetch_add(long, Ordering::SeqCst);
        let mut beds = BEDS.lock().unwrap_or_else(PoisonError::into_inner);
        let found = loop {
            let found = beds.up.get(&key).and_then(Weak::upgrade);
            let is_next = long > 0 || LONG.load(Ordering::SeqCst) == 0;
            if found.is_some() || (beds.places > 0 && is_next) {
                break found;
            }
            beds = FREED.wait(beds).unwrap_or_else(PoisonError::into_inner);
        };
        LONG.fetch_sub(long, Ordering::SeqCst);
        FREED.notify_all();
        if let Some(bed) = found {
            return bed;
        }
        let node = Node::start(NodeOptions {
            kubelet: kubelet(group),
            network: match group {
                Group::Network(network) => network,
                _ => Network::default(),
            },
            store_mib: (group == Group::Matrix).then_some(512),
            ..options()
        });
        let node = node.unwrap_or_else(|error| panic!("starting the node of {group:?}: {error:#}"));
        let rbac = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/rbac.yaml");
        let applied = node.kubectl().args(["apply", "-f", rbac]).output().unwrap();
        assert!(applied.status.success(), "{applied:?}");
        let controller = group.controller().map(|(controller, settings)| {
            let mut options = ControllerOptions::of(controller);
            options.settings = settings;
            if let Some(version) = asked(&controller.version_variable()) {
                options.version = version;
            }
            let running = node.start_controller(controller, &options);
            Mutex::new(running.unwrap_or_else(|error| panic!("for {group:?}: {error:#}")))
        });
        let agent = match group {
            Group::Main | Group::NextJob => Some(Agent::enforcing(&node, "shared").start()),
            _ if controller.is_some() => Some(Plan::new(&node, "shared", OWNERS).start()),
            _ => None,
        };
        let second = (group == Group::Two).then(|| {
            let second = Node::start(NodeOptions {
                joins: Some(node.dir().to_owned()),
                kubelet: kubelet(group),
                ..options()
            });
            second.unwrap_or_else(|error| panic!("starting the second node: {error:#}"))
        });
        beds.places -= 1;
        let bed = Arc::new(Self {
            agent,
            controller,
            second,
            node,
            _place: Place,
        });
        beds.up.insert(key, Arc::downgrade(&bed));
        bed
    }

    /// The group's agent.
    pub fn agent(&self) -> &Agent {
        self.agent.as_ref().expect("the group has an agent")
    }

    /// The group's second node.
    pub fn second(&self) -> &Node {
        self.second.as_ref().expect("the group has two nodes")
    }

    /// The minor version of its Kubernetes.
    pub fn minor(&self) -> u32 {
        let minor = self.node.plan().kubernetes.split('.').nth(1);
        minor.unwrap().parse().unwrap()
    }

    /// Whether the kubelet has its own socket, as from Kubernetes 1.37 on it must and before it cannot. Without one it is said
    /// that `what` cannot be shown here.
    pub fn has_kubelet_socket(&self, what: &str) -> bool {
        let version = &self.node.plan().kubernetes;
        let is_there = self.node.kubelet_pods_socket().exists();
        assert_eq!(is_there, self.minor() >= 37, "{version}");
        if !is_there {
            eprintln!("Kubernetes {version} has no socket of the kubelet's: without {what}");
        }
        is_there
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

impl Drop for Bed {
    fn drop(&mut self) {
        let controller = self.controller.as_mut();
        let Some(controller) = controller.and_then(|running| running.get_mut().ok()) else {
            return;
        };
        let state = controller.check();
        if std::thread::panicking() {
            let name = controller.controller().name();
            let log = testbed::tail(controller.log());
            eprintln!("--- the end of the log of {name} ({state:?}):\n{log}");
        } else {
            state.unwrap();
        }
    }
}

/// Configuration of the agent beside a controller: the budget of an owner is the default.
const OWNERS: &str = "mode: enforce\nimagePullFailureCount: 3\nwarmUp: 0s\n\
                      budget: {pods: 1000, perOwner: 3, per: 10m}\n";

/// What differs from the kubelet's usual configuration.
fn kubelet(group: Group) -> Value {
    let mut config = json!({"serializeImagePulls": group == Group::Slow});
    // So many Pods at once would meet the kubelet's own limiter, and some of them would not be pulled for at all.
    if matches!(
        group,
        Group::Matrix | Group::Brakes | Group::Patience | Group::Churn | Group::Crowd
    ) {
        config["registryPullQPS"] = json!(0);
    }
    // How soon a changed ConfigMap comes to the node.
    if matches!(
        group,
        Group::Deployed | Group::Documented | Group::Hardship | Group::Crowd | Group::Network(_)
    ) {
        config["syncFrequency"] = json!("10s");
    }
    // The agent, and its successor, beside those.
    if group == Group::Crowd {
        config["maxPods"] = json!(120);
    }
    config
}

/// The versions that the runner, or the running test, asks for.
fn options() -> NodeOptions {
    let mut options = NodeOptions::default();
    if let Some(version) = asked("TESTBED_KUBERNETES") {
        options.kubernetes = version;
    }
    if let Some(runtime) = asked("TESTBED_RUNTIME") {
        options.runtime = runtime.parse().unwrap();
    }
    if let Some(runtime) = WANTED.get() {
        options.runtime = runtime;
    }
    options
}

/// A setting that the runner gives.
fn asked(variable: &str) -> Option<String> {
    testbed::variable(variable).map(|version| version.into_string().unwrap())
}
