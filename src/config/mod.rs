//! The configuration: flags over environment over the YAML file over defaults, every fault listed at once.

mod fault;
mod given;
mod judging;
mod keys;
mod load;
mod namespaces;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use fault::{Fault, Faults, Source};
pub use given::Given;
pub use keys::{KEYS, Key};
pub use load::load;

use crate::judge::{BrakeRules, Policy};

/// Who is to tell of Pending Pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The kubelet's socket where it answers, else the API server.
    Auto,
    /// The kubelet's socket; the API server is never asked what is Pending.
    Kubelet,
    /// The API server; the kubelet's socket is never opened.
    ApiServer,
}

impl Evidence {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Kubelet => "kubelet",
            Self::ApiServer => "apiserver",
        }
    }
}

/// What the process writes, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people on standard error.
    #[default]
    Text,
    /// JSON objects on standard error, and each line of the node's log on standard output.
    Json,
}

impl LogFormat {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// The name of the Pod that the agent runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A configuration without faults. There is no way to make one that has any but by hand, in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What the judge goes by.
    pub policy: Policy,
    /// What holds verdicts back.
    pub brake: BrakeRules,
    /// Watching only for this long after the first start on a boot.
    pub warm_up: Duration,
    /// Who tells of Pending Pods.
    pub evidence: Evidence,
    /// The container runtime's socket.
    pub cri_socket: PathBuf,
    /// The socket of the kubelet's own Pod service.
    pub kubelet_pods_socket: PathBuf,
    /// The agent's own Pod, if it runs in one.
    pub own_pod: Option<OwnPod>,
    /// Credentials for the API server; in-cluster ones where `None`.
    pub kubeconfig: Option<PathBuf>,
    /// Where the state file lies.
    pub state_dir: PathBuf,
    /// Where the node's log lies.
    pub log_dir: PathBuf,
    /// What the process writes.
    pub log_format: LogFormat,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub admin_address: SocketAddr,
    /// Where `status` asks the agent.
    pub control_socket: PathBuf,
    /// The time between two looks at the runtime.
    pub poll: Duration,
}

impl Config {
    /// The keys that another configuration has otherwise and that are taken up at the start only.
    pub fn needs_restart(&self, other: &Self) -> Vec<&'static str> {
        let fixed = [
            ("nodeName", self.policy.node == other.policy.node),
            ("criSocket", self.cri_socket == other.cri_socket),
            (
                "kubeletPodsSocket",
                self.kubelet_pods_socket == other.kubelet_pods_socket,
            ),
            ("ownPod", self.own_pod == other.own_pod),
            ("kubeconfig", self.kubeconfig == other.kubeconfig),
            ("stateDir", self.state_dir == other.state_dir),
            ("logDir", self.log_dir == other.log_dir),
            ("logFormat", self.log_format == other.log_format),
            ("adminAddress", self.admin_address == other.admin_address),
            ("controlSocket", self.control_socket == other.control_socket),
        ];
        let changed = fixed.into_iter().filter(|(_, same)| !same);
        changed.map(|(path, _)| path).collect()
    }
}
