//! Devices that a node offers, by a device plugin of its own.

use std::fs::File;
use std::process::{Child, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Node;
use crate::clock::until;

/// Devices on offer; dropping this ends their plugin, and the node has none that are healthy.
#[derive(Debug)]
pub struct Devices {
    plugin: Child,
}

impl Drop for Devices {
    fn drop(&mut self) {
        // It may have been ended with the node.
        let _ = self.plugin.kill();
        let _ = self.plugin.wait();
    }
}

/// How long the kubelet may take to report new devices.
static DEVICES: LazyLock<Duration> = LazyLock::new(|| crate::longest(10));

impl Node {
    /// Offers devices to the kubelet, as a device plugin does, and waits until the node has them.
    /// They go when the handle is dropped.
    pub fn add_devices(&self, resource: &str, count: usize) -> Result<Devices> {
        let path = self.layout().log("device-plugin");
        let log = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        let plugin = self
            .command(&self.plan.testbed)
            .arg("device-plugin")
            .arg("--folder")
            .arg(self.layout().device_plugins())
            .arg(format!("--resource={resource}"))
            .arg(format!("--count={count}"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting a device plugin")?;
        let devices = Devices { plugin };
        let field = format!(
            "-ojsonpath={{.status.allocatable.{}}}",
            resource.replace('.', "\\.")
        );
        let there = until(*DEVICES, || {
            let output = self
                .kubectl()
                .args(["get", "node", self.plan.place().name, &field])
                .output();
            output.is_ok_and(|o| o.stdout == count.to_string().as_bytes())
        });
        if !there {
            bail!(
                "the node does not have {count} {resource}; the plugin said:\n{}",
                crate::log::tail(&path)
            );
        }
        Ok(devices)
    }
}
