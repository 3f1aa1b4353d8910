//! The configuration: flags over environment over the YAML file over defaults, every fault listed at once.

mod fault;
mod keys;
mod load;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use fault::{Fault, Faults, Source};
pub use keys::{KEYS, Key};
pub use load::load;

use crate::judge::{Budget, Policy};

/// A configuration without faults. There is no way to make one that has any but by hand, in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What the judge goes by.
    pub policy: Policy,
    /// How many Pods may be failed.
    pub budget: Budget,
    /// Watching only for this long after the first start on a boot.
    pub warm_up: Duration,
    /// The container runtime's socket.
    pub cri_socket: PathBuf,
    /// Credentials for the API server; in-cluster ones where `None`.
    pub kubeconfig: Option<PathBuf>,
    /// Where the state file lies.
    pub state_dir: PathBuf,
    /// Where the node's log lies.
    pub log_dir: PathBuf,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub admin_address: SocketAddr,
    /// Where `status` asks the agent.
    pub control_socket: PathBuf,
    /// The time between two looks at the runtime.
    pub poll: Duration,
}
