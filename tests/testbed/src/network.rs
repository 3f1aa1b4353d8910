//! IP families of a node's Pods, its Services and its own address.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// IP family, and the addresses of the cluster in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ip {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Ip {
    /// The range of Service addresses.
    pub fn services(self) -> &'static str {
        match self {
            Self::V4 => "10.96.0.0/16",
            Self::V6 => "fd00:10:96::/108",
        }
    }

    /// The Service address of the API server, on `lo` too, as there is no kube-proxy.
    pub fn api_server(self) -> &'static str {
        match self {
            Self::V4 => "10.96.0.1",
            Self::V6 => "fd00:10:96::1",
        }
    }

    /// Where a cluster's DNS would be.
    pub fn dns(self) -> &'static str {
        match self {
            Self::V4 => "10.96.0.10",
            Self::V6 => "fd00:10:96::a",
        }
    }

    /// A route to every address.
    pub fn everywhere(self) -> &'static str {
        match self {
            Self::V4 => "0.0.0.0/0",
            Self::V6 => "::/0",
        }
    }

    /// The loopback address, as it stands in a URL.
    pub fn loopback(self) -> &'static str {
        match self {
            Self::V4 => "127.0.0.1",
            Self::V6 => "[::1]",
        }
    }

    /// The address, with the prefix that names it alone.
    pub fn alone(self, address: &str) -> String {
        match self {
            Self::V4 => format!("{address}/32"),
            Self::V6 => format!("{address}/128"),
        }
    }
}

/// IP families of a cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// IPv4 only.
    #[default]
    V4,
    /// Both, IPv4 first.
    Dual,
    /// Both, IPv6 first.
    DualV6,
    /// IPv6 only.
    V6,
}

impl Network {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::V4, Self::Dual, Self::DualV6, Self::V6];

    /// The families, the first one first: it is that of the API server's Service.
    pub fn families(self) -> &'static [Ip] {
        match self {
            Self::V4 => &[Ip::V4],
            Self::Dual => &[Ip::V4, Ip::V6],
            Self::DualV6 => &[Ip::V6, Ip::V4],
            Self::V6 => &[Ip::V6],
        }
    }

    /// The first family.
    pub fn first(self) -> Ip {
        match self {
            Self::V4 | Self::Dual => Ip::V4,
            Self::DualV6 | Self::V6 => Ip::V6,
        }
    }

    /// Something of each family, as a flag has it.
    pub fn each(self, of: impl Fn(Ip) -> &'static str) -> String {
        let each = self.families().iter().copied().map(of);
        each.collect::<Vec<_>>().join(",")
    }

    /// The address at which a server listens for each family. Linux takes IPv4 at the IPv6 one too.
    pub fn any(self) -> &'static str {
        match self {
            Self::V4 => "0.0.0.0",
            Self::Dual | Self::DualV6 | Self::V6 => "::",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::Dual => "dual",
            Self::DualV6 => "dual-v6",
            Self::V6 => "v6",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Network {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let names = Self::ALL.map(Self::name);
        match Self::ALL.into_iter().find(|network| network.name() == text) {
            Some(network) => Ok(network),
            None => bail!(
                "there is no network {text}; there are: {}",
                names.join(", ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_named_as_it_is_stored() -> Result<()> {
        for network in Network::ALL {
            assert_eq!(network.to_string().parse::<Network>()?, network);
            let text = serde_json::to_string(&network)?;
            assert_eq!(text, format!("\"{network}\""));
            assert_eq!(network.families().first(), Some(&network.first()));
        }
        assert!("v5".parse::<Network>().is_err());
        Ok(())
    }

    #[test]
    fn a_flag_has_the_first_family_first() {
        let ranges = Network::DualV6.each(Ip::services);
        assert_eq!(ranges, "fd00:10:96::/108,10.96.0.0/16");
        assert_eq!(Network::V6.each(Ip::api_server), "fd00:10:96::1");
    }
}
