//! The options of a node.

use std::path::PathBuf;

use crate::family::Kind;
use crate::network::Network;
use crate::runtime::Runtime;
use crate::systemd::CgroupDriver;

/// Options of a node.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Two nodes of one name cannot run at once. Without a name, one is made up.
    pub name: Option<String>,
    /// Kubernetes' version, one of those pinned.
    pub kubernetes: String,
    /// The container runtime.
    pub runtime: Runtime,
    /// The IP families of its Pods, its Services and its own address.
    pub network: Network,
    /// Who makes the control groups of Pods; `None`: whom `TESTBED_CGROUP_DRIVER` names.
    pub cgroup_driver: Option<CgroupDriver>,
    /// Merged into the KubeletConfiguration: objects key by key, anything else replaced.
    pub kubelet: serde_json::Value,
    /// Puts the runtime's store on a file system of its own, of so many MiB in memory, which
    /// [`Node::fill_store`](super::Node::fill_store) can fill.
    pub store_mib: Option<u64>,
    /// The folder of the node whose cluster this one joins, with a runtime and a kubelet of its own. It
    /// must be gone before that node is.
    pub joins: Option<PathBuf>,
    /// No progress on standard error.
    pub quiet: bool,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            name: None,
            kubernetes: Kind::Kubernetes.default_version().to_owned(),
            runtime: Runtime::default(),
            network: Network::default(),
            cgroup_driver: None,
            kubelet: serde_json::Value::Null,
            store_mib: None,
            joins: None,
            quiet: false,
        }
    }
}
