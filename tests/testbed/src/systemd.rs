//! systemd as the maker of a node's control groups, where the kubelet's cgroup driver is `systemd`.
//! The machine's PID 1 knows neither the node's PIDs nor its groups, so each node has a manager of
//! its own, as a user's session has: it need not be PID 1, and it has the same socket and protocol.

use std::fmt;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::cgroup;
use crate::host;
use crate::plan::Plan;
use crate::settings::{make, save};

/// The variable that says which driver nodes have.
pub const VARIABLE: &str = "TESTBED_CGROUP_DRIVER";
/// systemd itself. Debian's package `systemd` has it.
const PROGRAM: &str = "/usr/lib/systemd/systemd";
/// Where clients call it when there is no message bus.
pub const SOCKET: &str = "/run/systemd/private";
/// Folder by whose presence clients know that systemd runs.
const BOOTED: &str = "/run/systemd/system";

/// Who makes the control groups of a node's Pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupDriver {
    /// The kubelet and the runtime, by themselves.
    #[default]
    Cgroupfs,
    /// systemd, when the kubelet and the runtime ask it to.
    Systemd,
}

impl CgroupDriver {
    /// The driver that the variable names; `cgroupfs` without one.
    pub fn asked() -> Result<Self> {
        match host::variable(VARIABLE) {
            None => Ok(Self::default()),
            Some(name) => name
                .to_string_lossy()
                .parse()
                .with_context(|| format!("reading {VARIABLE}")),
        }
    }

    /// Returns true for `systemd`.
    pub fn is_systemd(self) -> bool {
        self == Self::Systemd
    }

    /// An error where this machine cannot have it.
    pub fn check(self) -> Result<()> {
        if self.is_systemd() {
            ensure!(
                Path::new(PROGRAM).exists(),
                "the cgroup driver systemd needs {PROGRAM}: `apt-get install systemd`"
            );
            ensure!(
                cgroup::unified()?,
                "the cgroup driver systemd needs a machine whose only cgroup hierarchy is version 2"
            );
        }
        Ok(())
    }
}

impl fmt::Display for CgroupDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cgroupfs => "cgroupfs",
            Self::Systemd => "systemd",
        })
    }
}

impl FromStr for CgroupDriver {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "cgroupfs" => Ok(Self::Cgroupfs),
            "systemd" => Ok(Self::Systemd),
            _ => bail!("the cgroup driver is cgroupfs or systemd, not {text}"),
        }
    }
}

/// Writes the one unit that the manager starts. It must not start a user's own ones.
pub fn write_settings(plan: &Plan) -> Result<()> {
    let units = plan.layout().config("units");
    make(&units)?;
    save(
        &units.join("default.target"),
        "[Unit]\nDescription=Nothing but the node's control groups\n",
    )
}

/// The manager's command line.
pub fn command(plan: &Plan) -> Result<Command> {
    fs::create_dir_all(BOOTED).with_context(|| format!("making {BOOTED}"))?;
    let mut systemd = Command::new(PROGRAM);
    systemd
        .arg("--user")
        .env_clear()
        .env("XDG_RUNTIME_DIR", "/run")
        .env("SYSTEMD_UNIT_PATH", plan.layout().config("units"))
        .env("SYSTEMD_LOG_TARGET", "console");
    Ok(systemd)
}

/// Returns true if it answers.
pub fn answers() -> bool {
    UnixStream::connect(SOCKET).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_has_the_kubelets_name() -> Result<()> {
        for name in ["cgroupfs", "systemd"] {
            let driver: CgroupDriver = name.parse()?;
            assert_eq!(driver.to_string(), name);
            assert_eq!(serde_json::to_string(&driver)?, format!("\"{name}\""));
        }
        assert!("cgroup".parse::<CgroupDriver>().is_err());
        Ok(())
    }
}
