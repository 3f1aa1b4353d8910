//! What a kubelet has of one Pod: its worker.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::pod::Pod;

/// The back-off after the first failure.
const FIRST: Duration = Duration::from_secs(10);
/// The longest back-off.
const LONGEST: Duration = Duration::from_secs(300);

/// The pause after a failed pull.
#[derive(Clone, Debug)]
pub struct Pause {
    pub until: Duration,
    lasts: Duration,
    reason: &'static str,
    error: String,
}

impl Pause {
    /// What is shown meanwhile.
    pub fn message(&self, image: &str, tells_last_error: bool) -> String {
        let last = match tells_last_error {
            true => format!(": {}: {}", self.reason, self.error),
            false => String::new(),
        };
        format!("Back-off pulling image \"{image}\"{last}")
    }
}

/// One Pod's worker.
#[derive(Clone, Debug)]
pub struct Worker {
    pub pod: Pod,
    pub next_sync: Option<Duration>,
    /// The container whose pull blocks the worker.
    pub pulling: Option<usize>,
    /// Results of the last sync by container: shown by the next.
    pub results: BTreeMap<String, Value>,
    /// Whether there may be something new to report.
    pub news: bool,
    /// By image.
    pub back_off: BTreeMap<String, Pause>,
    pub sandbox_is_new: bool,
    pub deadline: bool,
    pub ended: bool,
}

impl Worker {
    /// The worker of a Pod that was bound to the node at `now`.
    pub fn new(pod: Pod, now: Duration) -> Self {
        Self {
            pod,
            next_sync: Some(now),
            pulling: None,
            results: BTreeMap::new(),
            news: true,
            back_off: BTreeMap::new(),
            sandbox_is_new: true,
            deadline: false,
            ended: false,
        }
    }

    /// A pull has failed: the next one is tried after a pause twice as long as the last.
    pub fn fails(&mut self, container: &str, image: &str, error: String, now: Duration) {
        // CRI-O names some reasons at the beginning of its text.
        let named = ["RegistryUnavailable", "SignatureValidationFailed"];
        let reason = named.into_iter().find(|reason| error.starts_with(reason));
        let reason = reason.unwrap_or("ErrImagePull");
        self.result(container, reason, &error);
        let last = self.back_off.get(image).map(|pause| pause.lasts);
        let lasts = last.map_or(FIRST, |last| (last * 2).min(LONGEST));
        let until = now + lasts;
        let pause = Pause {
            until,
            lasts,
            reason,
            error,
        };
        self.back_off.insert(image.to_owned(), pause);
    }

    /// `imagePullPolicy: Always`: the registry is asked though the image may be on the node.
    pub fn always_pulls(&self, container: &str) -> bool {
        let lists = ["initContainers", "containers"];
        let mut all = lists
            .iter()
            .flat_map(|list| self.pod.0["spec"][list].as_array().unwrap());
        all.any(|c| c["name"] == container && c["imagePullPolicy"] == "Always")
    }

    /// The containers that are to be started now: init containers one after the other, then all others.
    pub fn due(&self) -> Vec<(String, String)> {
        let list = |key: &str| -> Vec<(String, String)> {
            let containers = self.pod.0["spec"][key].as_array().unwrap().iter();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            containers
                .map(|c| (text(&c["name"]), text(&c["image"])))
                .collect()
        };
        let done = |name: &String| {
            self.results
                .get(name)
                .is_some_and(|s| s.get("running").is_some())
        };
        match list("initContainers")
            .into_iter()
            .find(|(name, _)| !done(name))
        {
            Some(init) => vec![init],
            None => list("containers"),
        }
    }

    pub fn pulls(&self) -> Option<String> {
        Some(self.due()[self.pulling?].1.clone())
    }

    pub fn result(&mut self, container: &str, reason: &str, message: &str) {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        self.becomes(container, state);
    }

    pub fn runs(&mut self, container: &str) {
        self.becomes(container, json!({"running": {}}));
    }

    fn becomes(&mut self, container: &str, state: Value) {
        let before = self.results.get(container);
        self.news |= before != Some(&state);
        self.results.insert(container.to_owned(), state);
    }

    /// The Pod with the status that a sync starting now reports.
    pub fn status(&self) -> Pod {
        let mut pod = self.pod.clone();
        let mut all_run = true;
        let initialising = self.due().len() == 1
            && self.pod.0["spec"]["initContainers"]
                .as_array()
                .is_some_and(|i| !i.is_empty())
            && self.pod.0["spec"]["containers"]
                .as_array()
                .is_some_and(|c| {
                    c.iter()
                        .all(|c| c["name"].as_str() != Some(&self.due()[0].0))
                });
        for list in ["initContainers", "containers"] {
            let names = self.pod.0["spec"][list].as_array().unwrap().iter();
            for name in names.map(|c| c["name"].as_str().unwrap()) {
                let waits = match list {
                    "containers" if initialising => "PodInitializing",
                    _ => "ContainerCreating",
                };
                let state = self.results.get(name).cloned();
                let state = state.unwrap_or_else(|| json!({"waiting": {"reason": waits}}));
                all_run &= state.get("running").is_some();
                let state = match (self.ended, list, state.get("running").is_some()) {
                    (true, _, false) => {
                        json!({"terminated": {"reason": "ContainerStatusUnknown", "exitCode": 137}})
                    }
                    (_, "initContainers", true) => json!({"terminated": {"exitCode": 0}}),
                    _ => state,
                };
                pod = pod.state(name, state);
            }
        }
        match (self.ended, all_run) {
            (true, _) => {
                pod.0["status"]["reason"] = json!("DeadlineExceeded");
                pod.phase("Failed")
            }
            (false, true) => pod.phase("Running"),
            (false, false) => pod.phase("Pending"),
        }
    }
}
