//! What the fake API server holds: Pods and Events, their versions, and who watches.

use std::collections::BTreeMap;

use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::fleet_object::FleetObject;
use super::pod::Pod;

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Why a request is refused: the code, `reason` and `message` of a `Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub u16, pub &'static str, pub String);

type Name = (String, String);

/// Pods, Events and watches.
#[derive(Debug, Default)]
pub struct Store {
    version: u64,
    pods: BTreeMap<Name, Value>,
    events: BTreeMap<Name, Value>,
    changes: Vec<Change>,
    watches: Vec<(Selector, UnboundedSender<Bytes>)>,
    /// What open watches are not told for the moment.
    held: Option<Vec<Change>>,
    /// The namespaces' labels.
    labels: BTreeMap<String, Value>,
    /// The namespaces' annotations.
    annotations: BTreeMap<String, Value>,
    /// The object of the fleet budget.
    pub fleet: FleetObject,
}

#[derive(Clone, Debug)]
struct Change {
    version: u64,
    before: Option<Value>,
    after: Option<Value>,
}

/// `fieldSelector=spec.nodeName=…,status.phase=…`
#[derive(Clone, Debug, Default)]
pub struct Selector(Vec<(String, String)>);

impl Selector {
    /// Reads `a=b,c=d`.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        Self(
            pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    fn selects(&self, pod: &Value) -> bool {
        self.0.iter().all(|(key, value)| {
            let field = pod.pointer(&format!("/{}", key.replace('.', "/")));
            field.and_then(Value::as_str) == Some(value)
        })
    }
}

impl Change {
    /// What a watch is told of the change; a Pod that leaves the selection is DELETED, as it was before.
    fn told(&self, selector: &Selector) -> Option<Bytes> {
        let before = self.before.as_ref().filter(|pod| selector.selects(pod));
        let after = self.after.as_ref().filter(|pod| selector.selects(pod));
        let (kind, pod) = match (before, after) {
            (None, None) => return None,
            (None, Some(pod)) => ("ADDED", pod),
            (Some(_), Some(pod)) => ("MODIFIED", pod),
            (Some(pod), None) => ("DELETED", pod),
        };
        let mut object = pod.clone();
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        Some(line(&json!({"type": kind, "object": object})))
    }
}

fn line(value: &Value) -> Bytes {
    Bytes::from(value.to_string() + "\n")
}

impl Store {
    /// Makes a Pod, or puts it in the place of the one of that name.
    pub fn put(&mut self, pod: &Pod) {
        let mut object = pod.0.clone();
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let name = (pod.in_namespace().to_owned(), pod.name().to_owned());
        let replaced = self.pods.get(&name);
        if replaced.is_some_and(|old| old["metadata"]["uid"] != object["metadata"]["uid"]) {
            self.remove(pod);
            return self.put(pod);
        }
        self.keep(name, Some(object));
    }

    /// Deletes the Pod of that name.
    pub fn remove(&mut self, pod: &Pod) {
        self.version += 1;
        self.keep((pod.in_namespace().to_owned(), pod.name().to_owned()), None);
    }

    /// The kubelet reports a Pod's status: its phase and its containers, not the conditions of others.
    pub fn report(&mut self, pod: &Pod) {
        let name = (pod.in_namespace().to_owned(), pod.name().to_owned());
        let Some(mut object) = self.pods.get(&name).cloned() else {
            return;
        };
        for field in [
            "phase",
            "reason",
            "initContainerStatuses",
            "containerStatuses",
        ] {
            if let Some(value) = pod.0["status"].get(field) {
                object["status"][field] = value.clone();
            }
        }
        self.change(name, object);
    }

    /// Changes something about a Pod behind everybody's back.
    pub fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        let name = ("default".to_owned(), name.to_owned());
        let mut object = self.pods[&name].clone();
        edit(&mut object);
        self.change(name, object);
    }

    /// The Pod of this name in `default`.
    pub fn pod(&self, name: &str) -> Option<&Value> {
        self.pods.get(&("default".to_owned(), name.to_owned()))
    }

    /// Open watches are told nothing until they are released: the watch cache lags.
    pub fn hold_watches(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Open watches are told what they were not.
    pub fn release_watches(&mut self) {
        for change in self.held.take().unwrap_or_default() {
            self.tell(&change);
        }
    }

    /// Ends every watch, as the API server does now and then.
    pub fn drop_watches(&mut self) {
        self.watches.clear();
    }

    /// Forgets what happened so far: a watch from then on is answered with 410 and must list again.
    pub fn compact(&mut self) {
        self.version += 1;
        self.changes.clear();
        for (_, watch) in self.watches.drain(..) {
            let _ = watch.send(expired());
        }
    }

    /// The answer to a LIST.
    pub fn list(&self, selector: &Selector) -> Value {
        let items: Vec<&Value> = self
            .pods
            .values()
            .filter(|pod| selector.selects(pod))
            .collect();
        let version = self.version.to_string();
        json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items})
    }

    /// The answer to a WATCH from `version` on.
    pub fn watch(&mut self, selector: Selector, version: u64) -> UnboundedReceiverStream<Bytes> {
        let (sender, receiver) = unbounded_channel();
        let oldest = self
            .changes
            .first()
            .map_or(self.version, |change| change.version - 1);
        if version < oldest {
            let _ = sender.send(expired());
            return UnboundedReceiverStream::new(receiver);
        }
        let missed = self
            .changes
            .iter()
            .filter(|change| change.version > version);
        for told in missed.filter_map(|change| change.told(&selector)) {
            let _ = sender.send(told);
        }
        self.watches.push((selector, sender));
        UnboundedReceiverStream::new(receiver)
    }

    /// The answer to a GET.
    pub fn get(&self, namespace: &str, name: &str) -> Result<Value, Refusal> {
        let found = self.pods.get(&(namespace.to_owned(), name.to_owned()));
        found.cloned().ok_or_else(|| not_found(name))
    }

    /// The answer to a PATCH of a Pod, or of its status.
    pub fn patch(
        &mut self,
        namespace: &str,
        name: &str,
        status: bool,
        patch: &Value,
    ) -> Result<Value, Refusal> {
        let old = self.get(namespace, name)?;
        let given = |key: &str| patch["metadata"].get(key).filter(|v| !v.is_null());
        if given("resourceVersion").is_some_and(|v| *v != old["metadata"]["resourceVersion"]) {
            return Err(Refusal(
                409,
                "Conflict",
                format!(
                    r#"Operation cannot be fulfilled on pods "{name}": the object has been modified; please apply your changes to the latest version and try again"#
                ),
            ));
        }
        if let Some(uid) = given("uid").filter(|v| **v != old["metadata"]["uid"]) {
            return Err(Refusal(
                422,
                "Invalid",
                format!(
                    r#"Pod "{name}" is invalid: metadata.uid: Invalid value: {uid}: field is immutable"#
                ),
            ));
        }
        let mut new = old.clone();
        if status {
            merge_status(&mut new["status"], &patch["status"]);
        } else {
            let deadline = patch["spec"]
                .get("activeDeadlineSeconds")
                .and_then(Value::as_i64);
            let present = old["spec"]["activeDeadlineSeconds"].as_i64();
            if present.is_some_and(|present| deadline.is_some_and(|d| d > present)) {
                return Err(Refusal(
                    422,
                    "Invalid",
                    format!(
                        r#"Pod "{name}" is invalid: spec.activeDeadlineSeconds: must be less than or equal to previous value"#
                    ),
                ));
            }
            merge(
                &mut new["metadata"]["annotations"],
                &patch["metadata"]["annotations"],
            );
            merge(&mut new["spec"], &patch["spec"]);
        }
        let name = (namespace.to_owned(), name.to_owned());
        self.change(name.clone(), new);
        Ok(self.pods[&name].clone())
    }

    /// The answer to a DELETE with preconditions: the Pod is being deleted until the kubelet has ended it.
    pub fn delete(
        &mut self,
        namespace: &str,
        name: &str,
        options: &Value,
    ) -> Result<Value, Refusal> {
        let old = self.get(namespace, name)?;
        for field in ["uid", "resourceVersion"] {
            let wanted = &options["preconditions"][field];
            if !wanted.is_null() && *wanted != old["metadata"][field] {
                let message = format!("Precondition failed: {field} in precondition: {wanted}");
                return Err(Refusal(409, "Conflict", message));
            }
        }
        let mut new = old;
        new["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let name = (namespace.to_owned(), name.to_owned());
        self.change(name.clone(), new);
        Ok(self.pods[&name].clone())
    }

    /// The annotations of a namespace are these from now on.
    pub fn annotate(&mut self, namespace: &str, annotations: Value) {
        self.annotations.insert(namespace.to_owned(), annotations);
    }

    /// The labels of a namespace are these from now on.
    pub fn label(&mut self, namespace: &str, labels: Value) {
        self.labels.insert(namespace.to_owned(), labels);
    }

    /// The answer to a GET of a namespace: they are all there.
    pub fn namespace(&self, name: &str) -> Value {
        let of = |map: &BTreeMap<_, _>| map.get(name).cloned().unwrap_or_else(|| json!({}));
        let (labels, annotations) = (of(&self.labels), of(&self.annotations));
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels, "annotations": annotations}})
    }

    /// The answer to the POST of an Event.
    pub fn post_event(&mut self, namespace: &str, event: &Value) -> Result<Value, Refusal> {
        let name = event["metadata"]["name"].as_str().unwrap_or_default();
        let key = (namespace.to_owned(), name.to_owned());
        if self.events.contains_key(&key) {
            let message = format!(r#"events "{name}" already exists"#);
            return Err(Refusal(409, "AlreadyExists", message));
        }
        self.events.insert(key, event.clone());
        Ok(event.clone())
    }

    /// A write that changes nothing is not one.
    fn change(&mut self, name: Name, mut object: Value) {
        if self.pods.get(&name) == Some(&object) {
            return;
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.keep(name, Some(object));
    }

    fn keep(&mut self, name: Name, after: Option<Value>) {
        let before = match &after {
            Some(pod) => self.pods.insert(name, pod.clone()),
            None => self.pods.remove(&name),
        };
        let change = Change {
            version: self.version,
            before,
            after,
        };
        match &mut self.held {
            Some(held) => held.push(change.clone()),
            None => self.tell(&change),
        }
        self.changes.push(change);
    }

    fn tell(&mut self, change: &Change) {
        self.watches.retain(|(selector, sender)| {
            let told = change.told(selector);
            told.is_none_or(|told| sender.send(told).is_ok())
        });
    }
}

fn not_found(name: &str) -> Refusal {
    Refusal(404, "NotFound", format!(r#"pods "{name}" not found"#))
}

fn expired() -> Bytes {
    line(
        &json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": 410, "reason": "Expired", "message": "too old resource version"}}),
    )
}

/// Strategic merge, as far as a Pod's status needs it: conditions by their type, all else replaced.
fn merge_status(status: &mut Value, patch: &Value) {
    for (key, value) in patch.as_object().into_iter().flatten() {
        if key != "conditions" {
            merge(&mut status[key], value);
            continue;
        }
        let conditions = status[key].as_array_mut().expect("a Pod has conditions");
        for condition in value.as_array().into_iter().flatten() {
            match conditions
                .iter_mut()
                .find(|c| c["type"] == condition["type"])
            {
                Some(present) => merge(present, condition),
                None => conditions.push(condition.clone()),
            }
        }
    }
}

/// JSON merge patch.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        if !patch.is_null() {
            *target = patch.clone();
        }
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in fields {
        match value {
            Value::Null => _ = target.as_object_mut().map(|object| object.remove(key)),
            _ => merge(&mut target[key], value),
        }
    }
}
