//! kubectl, as the cluster's admin, for what the demo and the measurements do.

use std::io::Write as _;
use std::process::{Output, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use testbed::Node;

use super::cargo;

/// What kubectl says.
pub fn kubectl(node: &Node, arguments: &[&str]) -> Result<String> {
    let output = node.kubectl().args(arguments).stdin(Stdio::null()).output();
    said(output, arguments)
}

/// Makes an object, or a list of them.
pub fn create(node: &Node, object: &Value) -> Result<()> {
    let arguments = ["create", "-f", "-"];
    let mut kubectl = node.kubectl();
    kubectl
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = kubectl.spawn().context("running kubectl")?;
    let mut stdin = child.stdin.take().context("kubectl has no input")?;
    serde_json::to_writer(&mut stdin, object).context("writing to kubectl")?;
    stdin.flush().context("writing to kubectl")?;
    drop(stdin);
    said(child.wait_with_output(), &arguments).map(drop)
}

/// Gives the agent its rights: those that the cluster tests give it.
pub fn permit_agent(node: &Node) -> Result<()> {
    let rules = cargo::workspace("tests/cluster/rbac.yaml");
    let rules = rules.to_str().context("the workspace's path is no text")?;
    kubectl(node, &["apply", "-f", rules]).map(drop)
}

fn said(output: std::io::Result<Output>, arguments: &[&str]) -> Result<String> {
    let command = arguments.join(" ");
    let output = output.with_context(|| format!("running `kubectl {command}`"))?;
    if !output.status.success() {
        bail!(
            "`kubectl {command}`: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("what `kubectl {command}` said"))
}
