//! Every key of the configuration, in one place: its name, its kind, its meaning and its default.
//!
//! Flags, variables, the schema of the chart and `docs/configuration.md` are made from these structs.
//! The three root structs share one level of the file, which `document` splits among them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::brakes::{Budget, RegistryBrake};
use super::fleet::FleetBudget;
use super::kinds::{AbsolutePath, Address, Count, Name, Poll, Span, Word};
use super::mirrors::Mirrored;
use super::namespaces::Rule;
use super::pods::Covered;
use super::{Evidence, LogFormat, OwnPod};
use crate::judge::{Action, NodeMode, RestartPolicy};

/// Settings that decide about Pods. The node's log records them in this form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Judging {
    /// The most that the agent may do to Pods of this node. `observe` writes Events only,
    /// `opt-in` fails only Pods that ask for it, `enforce` fails every Pod in scope.
    #[schemars(example = &"enforce")]
    pub mode: Word<NodeMode>,
    /// The way in which the agent ends a Pod. `fail` has the kubelet make it Failed, `delete` deletes it.
    /// The agent never deletes a Pod whose controller is an Argo `Workflow`. Argo would make it again,
    /// without end, and would not count it as a retry. `explain` then shows the brake `workflow`.
    pub action: Word<Action>,
    /// Consecutive failures after which the agent fails a Pod, in place of the thresholds
    /// `permanent`, `denied` and `corrupt`. Without it the thresholds count.
    #[schemars(example = 3)]
    pub image_pull_failure_count: Option<Count>,
    /// The least failure count that the annotations of a Namespace give to its Pods.
    /// A lower one counts as this one.
    #[schemars(example = 3)]
    pub image_pull_failure_count_min: Count,
    /// The highest failure count that the annotations of a Namespace give to its Pods.
    /// A higher one counts as this one.
    #[schemars(example = 10)]
    pub image_pull_failure_count_max: Option<Count>,
    /// The thresholds, by the class of the error.
    pub thresholds: Thresholds,
    /// Registries that nodes reach through a pull-through mirror or a peer-to-peer cache.
    /// `all` stands for every registry. A mirror may answer "not found" because the registry
    /// behind it is down. So for these registries the agent treats "not found" as a transient error.
    #[schemars(example = ["docker.io"])]
    pub behind_mirror: Mirrored,
    /// Decides which Pods the agent judges.
    pub scope: Scope,
    /// Limits how many Pods the agent fails.
    pub budget: Budget,
    /// Limits how many Pods all agents of the cluster fail.
    pub fleet_budget: FleetBudget,
    /// Holds the verdicts of a registry that seems to be in trouble itself.
    pub registry_brake: RegistryBrake,
    /// The longest time since the node's start that a refusal waits for a first pull from its
    /// registry. `0s` switches this brake off.
    pub new_node_brake: Span,
    /// The time after its first start on a boot in which the agent only watches.
    pub warm_up: Span,
    /// With `on`, the agent asks the runtime to pull the image, without credentials, before it
    /// fails a Pod. If that pull works, the Pod stays.
    #[schemars(example = &"on")]
    pub second_opinion: Word<bool>,
    /// With `on`, the agent writes its Event about a failed Pod on the Pod's controller too.
    /// Examples are a Job and a TaskRun. A JobSet or PipelineRun above it also gets one.
    /// Each owner gets one Event an hour for an image.
    #[schemars(example = &"off")]
    pub owner_events: Word<bool>,
}

impl Default for Judging {
    fn default() -> Self {
        Self {
            mode: Word(NodeMode::Observe),
            action: Word(Action::Fail),
            image_pull_failure_count: None,
            image_pull_failure_count_min: Count::of(1),
            image_pull_failure_count_max: None,
            thresholds: Thresholds::default(),
            behind_mirror: Mirrored::default(),
            scope: Scope::default(),
            budget: Budget::default(),
            fleet_budget: FleetBudget::default(),
            registry_brake: RegistryBrake::default(),
            new_node_brake: Span::minutes(60),
            warm_up: Span::minutes(10),
            second_opinion: Word(false),
            owner_events: Word(true),
        }
    }
}

/// The threshold of each class of errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Threshold for errors that do not pass by themselves, such as an image that does not exist.
    pub permanent: Threshold,
    /// Threshold for refusals of the registry.
    pub denied: Threshold,
    /// Threshold for damaged content.
    pub corrupt: Threshold,
    /// Threshold for errors that may pass by themselves, and for errors that the agent does not
    /// know.
    pub transient: Threshold,
}

impl Default for Thresholds {
    fn default() -> Self {
        let threshold = |failures, minutes| Threshold {
            failures: Count::of(failures),
            lasting: Span::minutes(minutes),
        };
        Self {
            permanent: threshold(5, 10),
            denied: threshold(5, 15),
            corrupt: threshold(5, 15),
            transient: threshold(12, 6 * 60),
        }
    }
}

/// Failures, and the time that they must last.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The consecutive failures that a Pod must have.
    pub failures: Count,
    /// The least time from the first of these failures to the last.
    #[serde(rename = "for")]
    pub lasting: Span,
}

/// Pods that are judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scope {
    /// Restart policies of the Pods that are judged without asking for it. A Pod with another one must ask by an
    /// annotation of its own.
    #[schemars(title = "a list of Never, OnFailure, Always", example = ["Never"])]
    pub restart_policies: Vec<Word<RestartPolicy>>,
    /// Namespaces whose Pods the agent never judges, whatever their annotations are.
    #[schemars(title = "a list of names", example = ["kube-system", "monitoring"])]
    pub exclude_namespaces: Vec<Name>,
    /// Rules that lower the mode in namespaces to `off` or `observe`, by their names or by a label selector.
    /// If several rules apply to a namespace, the lowest mode counts.
    #[schemars(
        title = "a list of {names, selector, mode}",
        example = [serde_json::json!({"names": ["team-a"], "mode": "off"})]
    )]
    pub namespaces: Vec<Rule>,
    /// With `on`, the annotations of a Namespace are defaults for its Pods. A Pod's own annotation
    /// comes before them. They add no Pod: one with
    /// `restartPolicy: Always` must still ask by its own annotation.
    /// The agent then needs the permission to get namespaces (component `namespace-labels`).
    #[schemars(example = &"on")]
    pub namespace_annotations: Word<bool>,
    /// Rules that name the Pods in scope, by a label selector, the kind of the controller, or both.
    /// A Pod that meets none of them is only observed. Without rules every Pod is in scope.
    /// The kind `none` stands for a Pod without a controller.
    #[schemars(
        title = "a list of {selector, ownerKinds}",
        example = [serde_json::json!({"ownerKinds": ["Job", "PyTorchJob"]})]
    )]
    pub pods: Vec<Covered>,
}

impl Default for Scope {
    fn default() -> Self {
        let kube_system = "kube-system".parse().ok();
        Self {
            restart_policies: vec![Word(RestartPolicy::Never), Word(RestartPolicy::OnFailure)],
            exclude_namespaces: kube_system.into_iter().collect(),
            namespaces: Vec::new(),
            namespace_annotations: Word(false),
            pods: Vec::new(),
        }
    }
}

/// Settings of how the agent watches its node.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Watching {
    /// The source that reports Pending Pods. `auto` takes the kubelet's socket where it answers, and the API
    /// server elsewhere. Any other word takes that source only.
    #[schemars(example = &"kubelet")]
    pub evidence: Word<Evidence>,
    /// The time between two polls of the runtime. The agent polls more often after a Pod has
    /// come, and less often on a calm node.
    pub poll: Poll,
    /// With `on`, the metrics show stuck and failed Pods by the registry of their images too.
    /// A node shows ten registries by name at most, and all others together.
    #[schemars(example = &"on")]
    pub registry_metrics: Word<bool>,
}

impl Default for Watching {
    fn default() -> Self {
        Self {
            evidence: Word(Evidence::Auto),
            poll: Poll::seconds(5),
            registry_metrics: Word(false),
        }
    }
}

/// Settings that the agent reads at its start only: a change of these takes a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Startup {
    /// The node's name. Without it the variable `NODE_NAME` counts. One of them is needed.
    #[schemars(example = &"node-1")]
    pub node_name: Option<Name>,
    /// The container runtime's socket.
    pub cri_socket: AbsolutePath,
    /// The socket of the kubelet's own Pod service, in Kubernetes 1.37 and later.
    pub kubelet_pods_socket: AbsolutePath,
    /// The agent's own Pod. Without it the variables `POD_NAMESPACE` and `POD_NAME` count.
    /// An agent with in-cluster credentials needs it for every mode but `observe`.
    #[schemars(example = &"pullwarden/pullwarden-x7k2q")]
    pub own_pod: Option<OwnPod>,
    /// The file with credentials for the API server. Without it the agent uses those of its Pod.
    #[schemars(example = &"/etc/pullwarden/kubeconfig")]
    pub kubeconfig: Option<AbsolutePath>,
    /// The folder where the agent keeps its counts.
    pub state_dir: AbsolutePath,
    /// The folder of the node's log.
    pub log_dir: AbsolutePath,
    /// The form of the process's own log, on standard error.
    /// With `json` the agent writes the node's log to standard output too.
    #[schemars(example = &"json")]
    pub log_format: Word<LogFormat>,
    /// The address where the agent serves `/livez`, `/readyz` and `/metrics`.
    pub admin_address: Address,
    /// The socket where `pullwarden status` and `pullwarden explain` ask the agent.
    pub control_socket: AbsolutePath,
}

impl Default for Startup {
    fn default() -> Self {
        let path = AbsolutePath::below_root;
        Self {
            node_name: None,
            cri_socket: path("run/containerd/containerd.sock"),
            kubelet_pods_socket: path("var/lib/kubelet/pods-api/pods-api.sock"),
            own_pod: None,
            kubeconfig: None,
            state_dir: path("var/lib/pullwarden"),
            log_dir: path("var/log/pullwarden"),
            log_format: Word(LogFormat::Text),
            admin_address: Address(([127, 0, 0, 1], 9797).into()),
            control_socket: path("run/pullwarden/control.sock"),
        }
    }
}
