//! What the agents asked of the API server, by its audit log.

use std::collections::BTreeMap;

use serde_json::Value;
use testbed::Node;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Kubernetes' word for it: `get`, `watch`, `patch`, …
    pub verb: String,
    /// Path and query.
    pub uri: String,
    /// The status that was answered.
    pub code: u64,
}

impl Request {
    /// The path alone.
    pub fn path(&self) -> &str {
        self.uri.split('?').next().unwrap_or_default()
    }

    fn is_read(&self) -> bool {
        ["get", "list", "watch"].contains(&&self.verb[..])
    }
}

/// All requests of agents, in order.
pub fn requests(node: &Node) -> Vec<Request> {
    let text = text(node);
    // Whoever is named otherwise need not be decoded; and the last line may be in the making.
    let ours = text.lines().filter(|line| line.contains("\"pullwarden\""));
    let entries = ours.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = entries.filter(|entry| entry["user"]["username"] == "pullwarden");
    // A watch has two entries: when it starts and when it ends.
    let once = ours.filter(|entry| entry["verb"] != "watch" || entry["stage"] == "ResponseStarted");
    once.map(|entry| Request {
        verb: entry["verb"].as_str().unwrap().to_owned(),
        uri: entry["requestURI"].as_str().unwrap().to_owned(),
        code: entry["responseStatus"]["code"].as_u64().unwrap_or(0),
    })
    .collect()
}

/// The whole log: that of a busy node has several files, and the names of the older ones come first.
fn text(node: &Node) -> String {
    let log = node.audit_log();
    let stem = log.file_stem().unwrap().to_str().unwrap();
    let files = std::fs::read_dir(log.parent().unwrap()).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(stem) && name.ends_with(".log")
    });
    files.sort();
    let texts = files.iter().map(std::fs::read_to_string);
    texts.collect::<Result<String, _>>().unwrap()
}

/// The writes to Pods of a namespace, also those that were refused, by the Pod's name.
pub fn writes(node: &Node, namespace: &str) -> BTreeMap<String, Vec<Request>> {
    let pods = format!("/api/v1/namespaces/{namespace}/pods/");
    let mut writes: BTreeMap<String, Vec<Request>> = BTreeMap::new();
    for request in requests(node) {
        let Some(of_pod) = request.path().strip_prefix(&pods) else {
            continue;
        };
        if !request.is_read() {
            let name = of_pod.split('/').next().unwrap_or_default().to_owned();
            writes.entry(name).or_default().push(request);
        }
    }
    writes
}

/// The Pods of these names were failed by two writes each, and no other Pod of the namespace was written to, nor tried to.
pub fn assert_only_failed(node: &Node, namespace: &str, names: &[&str]) {
    let mut writes = writes(node, namespace);
    for name in names {
        let mut made = writes.remove(*name).unwrap_or_default();
        // 409: the Pod had moved since it was looked at, and was looked at again.
        made.retain(|request| request.code != 409);
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        let made: Vec<_> = made
            .iter()
            .map(|r| (&r.verb[..], r.path(), r.code))
            .collect();
        let status = format!("{path}/status");
        assert_eq!(made, [("patch", &status[..], 200), ("patch", &path, 200)]);
    }
    assert!(writes.is_empty(), "others were written to: {writes:?}");
}
