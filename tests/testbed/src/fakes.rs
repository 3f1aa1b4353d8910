//! Fakes of what a node has, each on a unix socket: the container runtime, and the kubelet's own Pod service.
#![allow(
    clippy::unwrap_used,
    missing_debug_implementations,
    reason = "a fake that breaks ends the test or the measurement that it is for"
)]

mod kubelet_pods;
mod runtime;
mod socket;

use serde_json::Value;

pub use kubelet_pods::{KubeletPods, encode};
pub use runtime::Runtime;

/// The text that a field of a Pod has; empty if it has none.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
