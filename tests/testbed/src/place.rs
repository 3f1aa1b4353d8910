//! The place of a node in its cluster: its name, its addresses and its ports.

use crate::network::Ip;

/// A node's name, and what must differ from node to node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The node's name in the cluster.
    pub name: &'static str,
    /// The node's own address, on `lo`. The fault registry is at the first node's, in every cluster.
    pub ip: &'static str,
    /// The node's own IPv6 address, on `lo`.
    pub ip6: &'static str,
    /// The range of its Pods' addresses.
    pub pods: &'static str,
    /// The range of its Pods' IPv6 addresses.
    pub pods6: &'static str,
    /// The port where the API server reaches the kubelet.
    pub kubelet: u16,
    /// The port of the kubelet's own health.
    pub health: u16,
    /// The kubelet's kubeconfig.
    pub kubeconfig: &'static str,
}

impl Place {
    /// The node's own address in a family.
    pub fn ip_of(&self, family: Ip) -> &'static str {
        match family {
            Ip::V4 => self.ip,
            Ip::V6 => self.ip6,
        }
    }

    /// The range of its Pods' addresses in a family.
    pub fn pods_of(&self, family: Ip) -> &'static str {
        match family {
            Ip::V4 => self.pods,
            Ip::V6 => self.pods6,
        }
    }
}

/// The node that brings the control plane.
pub const FIRST: Place = Place {
    name: "node1",
    ip: "10.97.0.1",
    ip6: "fd00:10:97::1",
    pods: "10.88.0.0/16",
    pods6: "fd00:10:88::/64",
    kubelet: 10250,
    health: 10248,
    kubeconfig: "kubelet",
};

/// The node that joins its cluster. It is in the same network.
pub const SECOND: Place = Place {
    name: "node2",
    ip: "10.97.0.2",
    ip6: "fd00:10:97::2",
    pods: "10.89.0.0/16",
    pods6: "fd00:10:89::/64",
    kubelet: 10350,
    health: 10348,
    kubeconfig: "kubelet2",
};
