//! A Pod as the API server has it, put together in a line or two.

use pullwarden::evidence;
use pullwarden::judge::PodView;
use serde_json::{Value, json};

/// What the kubelet says of an image that the registry does not have.
pub const NOT_FOUND: &str = r#"rpc error: code = NotFound desc = failed to pull and unpack image "r.test/bad:1": failed to resolve image: r.test/bad:1: not found"#;
/// … when the registry refuses.
pub const DENIED: &str = r#"failed to pull and unpack image "r.test/bad:1": failed to resolve image: unexpected status from HEAD request to http://r.test/v2/bad/manifests/1: 403 Forbidden"#;
/// … when the registry's name cannot be resolved.
pub const NO_HOST: &str = r#"failed to pull and unpack image "r.test/bad:1": failed to resolve reference "r.test/bad:1": failed to do request: Head "https://r.test/v2/bad/manifests/1": dial tcp: lookup r.test: no such host"#;
/// … when its own limiter is hit.
pub const QPS: &str = "pull QPS exceeded";
/// … when the runtime ends under the pull.
pub const CANCELLED: &str = r#"failed to pull and unpack image "r.test/bad:1": context canceled"#;
/// … in a way that nobody has seen before.
pub const STRANGE: &str = "the registry is in a funny mood";
/// What it says, as reason and as message, of a pull secret that it cannot read. It pulls nothing.
pub const UNREADABLE_SECRET: &str = "illegal base64 data at input byte 4";

/// An image that cannot be pulled.
pub const BAD: &str = "r.test/bad:1";
/// An image that can.
pub const GOOD: &str = "r.test/good:1";

/// The message of `ImagePullBackOff` after `error`, in the form of kubelets from 1.32 on.
pub fn back_off(image: &str, error: &str) -> String {
    format!("Back-off pulling image \"{image}\": ErrImagePull: {error}")
}

/// A Pod under construction.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod(pub Value);

impl AsRef<Value> for Pod {
    fn as_ref(&self) -> &Value {
        &self.0
    }
}

impl Pod {
    /// A Pending Pod in `default` on `node1`, with `restartPolicy: Never` and the container `c` of the bad image.
    pub fn bad(name: &str) -> Self {
        Self::new(name).container("c", BAD)
    }

    /// The same without any container yet.
    pub fn new(name: &str) -> Self {
        Self(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}"), "annotations": {}, "labels": {}},
            "spec": {"nodeName": "node1", "restartPolicy": "Never", "initContainers": [], "containers": [], "volumes": []},
            "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}],
                "initContainerStatuses": [], "containerStatuses": []},
        }))
    }

    /// Pods of so many repositories of a registry.
    pub fn of_repositories(registry: &str, repositories: usize) -> Vec<Self> {
        let image = |n| format!("{registry}/a{n}:1");
        let pod = |n| Self::new(&format!("{registry}-{n}")).container("c", &image(n));
        (0..repositories).map(pod).collect()
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap()
    }

    /// `metadata.namespace`.
    pub fn in_namespace(&self) -> &str {
        self.0["metadata"]["namespace"].as_str().unwrap()
    }

    /// `metadata.uid`.
    pub fn has_uid(&self) -> &str {
        self.0["metadata"]["uid"].as_str().unwrap()
    }

    pub fn uid(self, uid: &str) -> Self {
        self.set("/metadata", "uid", json!(uid))
    }

    pub fn namespace(self, namespace: &str) -> Self {
        self.set("/metadata", "namespace", json!(namespace))
    }

    pub fn version(self, version: &str) -> Self {
        self.set("/metadata", "resourceVersion", json!(version))
    }

    pub fn deleting(self) -> Self {
        self.set(
            "/metadata",
            "deletionTimestamp",
            json!("2026-01-01T00:00:00Z"),
        )
    }

    pub fn annotation(self, key: &str, value: &str) -> Self {
        self.set("/metadata/annotations", key, json!(value))
    }

    pub fn label(self, key: &str, value: &str) -> Self {
        self.set("/metadata/labels", key, json!(value))
    }

    /// The same, with a controller of this kind.
    pub fn controlled_by(self, kind: &str) -> Self {
        let mut pod = self.owner("owner");
        pod.0["metadata"]["ownerReferences"][0]["kind"] = json!(kind);
        pod
    }

    /// A Pod below a JobSet of this UID; a restart of the set gives it another Job.
    pub fn job_set(self, uid: &str) -> Self {
        self.set(
            "/metadata/labels",
            "jobset.sigs.k8s.io/jobset-name",
            json!("training"),
        )
        .set(
            "/metadata/labels",
            "jobset.sigs.k8s.io/jobset-uid",
            json!(uid),
        )
    }

    /// A static Pod's mirror.
    pub fn mirror(self) -> Self {
        self.annotation("kubernetes.io/config.mirror", "x")
    }

    pub fn owner(self, uid: &str) -> Self {
        let owner = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": uid, "uid": uid, "controller": true}]);
        self.set("/metadata", "ownerReferences", owner)
    }

    /// A step of an Argo Workflow.
    pub fn workflow(self, uid: &str) -> Self {
        let mut pod = self.owner(uid);
        let owner = &mut pod.0["metadata"]["ownerReferences"][0];
        owner["apiVersion"] = json!("argoproj.io/v1alpha1");
        owner["kind"] = json!("Workflow");
        pod
    }

    pub fn node(self, node: &str) -> Self {
        self.set("/spec", "nodeName", json!(node))
    }

    pub fn restart(self, policy: &str) -> Self {
        self.set("/spec", "restartPolicy", json!(policy))
    }

    pub fn phase(self, phase: &str) -> Self {
        self.set("/status", "phase", json!(phase))
    }

    pub fn container(self, name: &str, image: &str) -> Self {
        self.push("/spec/containers", json!({"name": name, "image": image}))
    }

    /// An image that a container mounts as a volume.
    pub fn image_volume(mut self, container: &str, name: &str, image: &str) -> Self {
        let volume = json!({"name": name, "image": {"reference": image}});
        self.0["spec"]["volumes"]
            .as_array_mut()
            .unwrap()
            .push(volume);
        for entry in self.0["spec"]["containers"].as_array_mut().unwrap() {
            if entry["name"] == container {
                entry["volumeMounts"] = json!([{"name": name, "mountPath": "/volume"}]);
            }
        }
        self
    }

    /// What the first container asks for.
    pub fn requests(mut self, requests: Value) -> Self {
        self.0["spec"]["containers"][0]["resources"] = json!({ "requests": requests });
        self
    }

    pub fn init(self, name: &str, image: &str) -> Self {
        self.push(
            "/spec/initContainers",
            json!({"name": name, "image": image}),
        )
    }

    pub fn waiting(self, container: &str, reason: &str, message: &str) -> Self {
        self.state(
            container,
            json!({"waiting": {"reason": reason, "message": message}}),
        )
    }

    pub fn running(self, container: &str) -> Self {
        self.state(
            container,
            json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}}),
        )
    }

    pub fn terminated(self, container: &str) -> Self {
        self.state(container, json!({"terminated": {"exitCode": 0}}))
    }

    /// `ErrImagePull` of the container `c`.
    pub fn failing(self, message: &str) -> Self {
        self.waiting("c", "ErrImagePull", message)
    }

    /// `ImagePullBackOff` of the container `c`.
    pub fn pausing(self, message: &str) -> Self {
        self.waiting("c", "ImagePullBackOff", &back_off(BAD, message))
    }

    /// `ErrImagePull` of the container `c`: the registry does not have its image.
    pub fn not_found(self) -> Self {
        let message = NOT_FOUND.replace(BAD, &self.image_of("c"));
        self.failing(&message)
    }

    /// The pause after it.
    pub fn not_found_pausing(self) -> Self {
        let image = self.image_of("c");
        let message = back_off(&image, &NOT_FOUND.replace(BAD, &image));
        self.waiting("c", "ImagePullBackOff", &message)
    }

    /// What a container's status says, by the container's name.
    pub fn state(mut self, container: &str, state: Value) -> Self {
        let init = self.0["spec"]["initContainers"].as_array().unwrap();
        let list = match init.iter().any(|c| c["name"] == container) {
            true => "initContainerStatuses",
            false => "containerStatuses",
        };
        // As the spec has it at the time of the report: after an edit the status is about the old image until the next.
        let image = json!(self.image_of(container));
        let statuses = self.0["status"][list].as_array_mut().unwrap();
        statuses.retain(|status| status["name"] != container);
        statuses.push(json!({"name": container, "image": image, "state": state}));
        self
    }

    /// The container's image is edited; its status is what it was.
    pub fn edited(mut self, container: &str, image: &str) -> Self {
        for list in ["initContainers", "containers"] {
            for entry in self.0["spec"][list].as_array_mut().unwrap() {
                if entry["name"] == container {
                    entry["image"] = json!(image);
                }
            }
        }
        self
    }

    /// The image of a container, as the spec has it.
    pub fn image_of(&self, container: &str) -> String {
        let lists = ["initContainers", "containers"];
        let mut all = lists
            .iter()
            .flat_map(|list| self.0["spec"][list].as_array().unwrap());
        let found = all.find(|entry| entry["name"] == container);
        let image = found.and_then(|entry| entry["image"].as_str());
        image.unwrap_or_default().to_owned()
    }

    /// The Pod as the judge sees it.
    pub fn view(&self) -> PodView {
        serde_json::from_value::<evidence::Pod>(self.0.clone())
            .unwrap()
            .view()
    }

    fn set(mut self, at: &str, key: &str, value: Value) -> Self {
        self.0.pointer_mut(at).unwrap()[key] = value;
        self
    }

    fn push(mut self, at: &str, value: Value) -> Self {
        self.0
            .pointer_mut(at)
            .unwrap()
            .as_array_mut()
            .unwrap()
            .push(value);
        self
    }
}
