//! Pods and Jobs as users write them.

use serde_json::{Value, json};

/// The registry that the images are in.
pub const REGISTRY: &str = "127.0.0.1:5000";

/// The same content behind the registry that fails on purpose; it keeps a log.
pub const FAULTY: &str = "127.0.0.1:5001";

/// A registry that cannot be reached. The node pulls from its mirror, which is [`REGISTRY`].
pub const MIRRORED: &str = "mirrored.test";

/// A container that waits to be ended.
pub fn container(name: &str, image: &str) -> Value {
    json!({"name": name, "image": image, "args": ["pause"]})
}

/// A container that ends by itself after a second.
pub fn short_container(image: &str) -> Value {
    json!({"name": "main", "image": image, "args": ["sleep", "1"]})
}

/// A Pod that never restarts.
pub fn pod(name: &str, containers: Vec<Value>) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": containers},
    })
}

/// A Job of one such container, for one Pod.
pub fn job(name: &str, container: Value, backoff_limit: u32) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "backoffLimit": backoff_limit,
            "template": {"spec": {
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container],
            }},
        },
    })
}

/// The same container, asking for so much of a resource.
pub fn asking(mut container: Value, resource: &str, amount: &str) -> Value {
    container["resources"] = json!({"requests": {resource: amount}, "limits": {resource: amount}});
    container
}
