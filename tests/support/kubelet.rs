//! A kubelet, as far as pulling goes, on virtual time. What it does is written down in KUBELET.md.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use super::pod::Pod;

/// What comes of pulling an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registry {
    /// It is there.
    Has,
    /// It answers with this error.
    Fails(String),
    /// It neither answers nor refuses, until that changes.
    Hangs,
}

/// How long a pull takes that does not hang.
const PULL: Duration = Duration::from_millis(300);
/// The back-off after the first failure.
const FIRST: Duration = Duration::from_secs(10);
/// The longest back-off.
const LONGEST: Duration = Duration::from_secs(300);
/// From an event of the runtime, or a deadline, to the sync that it causes.
const PROMPT: Duration = Duration::from_millis(800);

/// A kubelet and its Pods.
#[derive(Debug)]
pub struct Kubelet {
    now: Duration,
    /// Whether `ImagePullBackOff` ends with the last error: from 1.32 on.
    tells_last_error: bool,
    registry: BTreeMap<String, Registry>,
    on_node: BTreeSet<String>,
    pods: Vec<Worker>,
    /// The Pods that wait for their turn to pull; the first of them is pulling (`serializeImagePulls`).
    queue: VecDeque<usize>,
    pulled_at: Option<Duration>,
    attempts: BTreeMap<(String, String), u32>,
    jitter: u64,
    reported: Vec<(Duration, Pod)>,
}

/// One Pod's worker.
#[derive(Debug)]
struct Worker {
    pod: Pod,
    next_sync: Option<Duration>,
    /// The container whose pull blocks the worker.
    pulling: Option<usize>,
    /// Results of the last sync by container: shown by the next.
    results: BTreeMap<String, Value>,
    back_off: BTreeMap<String, (Duration, Duration, String)>,
    sandbox_is_new: bool,
    deadline: bool,
    ended: bool,
}

impl Kubelet {
    /// One of version 1.32 or later, without Pods.
    pub fn new() -> Self {
        Self {
            now: Duration::ZERO,
            tells_last_error: true,
            registry: BTreeMap::new(),
            on_node: BTreeSet::new(),
            pods: Vec::new(),
            queue: VecDeque::new(),
            pulled_at: None,
            attempts: BTreeMap::new(),
            jitter: 1,
            reported: Vec::new(),
        }
    }

    /// One before 1.32: `ImagePullBackOff` does not tell why.
    pub fn old() -> Self {
        Self {
            tells_last_error: false,
            ..Self::new()
        }
    }

    /// Lets the waits between syncs fall otherwise.
    pub fn with_jitter(mut self, seed: u64) -> Self {
        self.jitter = seed.wrapping_mul(2).wrapping_add(1);
        self
    }

    /// What comes of pulling `image` from now on; one that was never told of does not exist.
    pub fn registry(&mut self, image: &str, comes_to: Registry) {
        self.registry.insert(image.to_owned(), comes_to);
        if self.pulled_at.is_none() && !self.queue.is_empty() {
            self.pull_next();
        }
    }

    /// A Pod is bound to the node.
    pub fn start(&mut self, pod: Pod) {
        self.pods.push(Worker {
            pod,
            next_sync: Some(self.now),
            pulling: None,
            results: BTreeMap::new(),
            back_off: BTreeMap::new(),
            sandbox_is_new: true,
            deadline: false,
            ended: false,
        });
    }

    /// The Pod's spec got `activeDeadlineSeconds: 1`.
    pub fn deadline(&mut self, uid: &str) {
        let at = self.now + PROMPT;
        for worker in self.pods.iter_mut().filter(|w| w.pod.has_uid() == uid) {
            worker.deadline = true;
            // A worker that pulls finds out when that ends.
            worker.next_sync = worker.next_sync.map(|next| next.min(at));
        }
    }

    /// The kubelet is restarted: its back-off and its last results are gone, the pull in flight is cancelled.
    pub fn restart(&mut self) {
        self.queue.clear();
        self.pulled_at = None;
        for worker in self.pods.iter_mut().filter(|w| !w.ended) {
            worker.pulling = None;
            worker.back_off.clear();
            worker
                .results
                .retain(|_, state| state.get("running").is_some());
            worker.next_sync = Some(self.now);
        }
    }

    /// How many pulls of `image` were tried for a Pod, to their end.
    pub fn attempts(&self, uid: &str, image: &str) -> u32 {
        let key = (uid.to_owned(), image.to_owned());
        self.attempts.get(&key).copied().unwrap_or(0)
    }

    /// Lets time pass until `now`. Every status reported in between, in order, with its time.
    pub fn step(&mut self, now: Duration) -> Vec<(Duration, Pod)> {
        while let Some((at, who)) = self.next_event().filter(|(at, _)| *at <= now) {
            self.now = at;
            match who {
                None => self.pull_ends(),
                Some(index) => self.sync(index),
            }
        }
        self.now = now;
        std::mem::take(&mut self.reported)
    }

    fn next_event(&self) -> Option<(Duration, Option<usize>)> {
        let syncs = self.pods.iter().enumerate();
        let syncs = syncs.filter_map(|(index, worker)| Some((worker.next_sync?, Some(index))));
        let pull = self.pulled_at.map(|at| (at, None));
        syncs.chain(pull).min_by_key(|(at, _)| *at)
    }

    /// A sync: what came of the one before is reported first.
    fn sync(&mut self, index: usize) {
        let worker = &mut self.pods[index];
        worker.next_sync = None;
        if worker.deadline {
            worker.ended = true;
        }
        let pod = worker.status();
        if pod != worker.pod {
            worker.pod = pod.clone();
            self.reported.push((self.now, pod));
        }
        if !self.pods[index].ended {
            self.start_containers(index, 0);
        }
    }

    /// Starts what can be started, from the given container on. A pull blocks the worker until it ends.
    fn start_containers(&mut self, index: usize, from: usize) {
        let now = self.now;
        let worker = &mut self.pods[index];
        let containers = worker.due();
        for (position, (name, image)) in containers.iter().enumerate().skip(from) {
            if worker
                .results
                .get(name)
                .is_some_and(|state| state.get("running").is_some())
            {
                continue;
            }
            if image.chars().any(char::is_uppercase) {
                let message = format!(
                    "Failed to apply default image tag \"{image}\": couldn't parse image name"
                );
                worker.result(name, "InvalidImageName", &message);
                continue;
            }
            if self.on_node.contains(image) {
                worker.runs(name);
                continue;
            }
            match worker.back_off.get(image) {
                Some((since, pause, error)) if now < *since + *pause => {
                    let last = match self.tells_last_error {
                        true => format!(": ErrImagePull: {error}"),
                        false => String::new(),
                    };
                    let message = format!("Back-off pulling image \"{image}\"{last}");
                    worker.result(name, "ImagePullBackOff", &message);
                }
                _ => {
                    worker.pulling = Some(position);
                    self.queue.push_back(index);
                    if self.queue.len() == 1 {
                        self.pull_next();
                    }
                    return;
                }
            }
        }
        let failing = worker
            .results
            .values()
            .any(|state| state.get("waiting").is_some());
        let prompt = std::mem::take(&mut worker.sandbox_is_new) || !failing;
        self.jitter = self
            .jitter
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let wait = Duration::from_millis(10_000 + (self.jitter >> 33) % 5_000);
        let changed = worker.status() != worker.pod;
        worker.next_sync = match prompt || worker.deadline {
            true if changed || worker.deadline => Some(now + PROMPT),
            true => None,
            false => Some(now + wait),
        };
    }

    fn pull_next(&mut self) {
        self.pulled_at = self.queue.front().and_then(|index| {
            let image = self.pods[*index].pulls()?;
            match self.registry.get(&image) {
                Some(Registry::Hangs) => None,
                _ => Some(self.now + PULL),
            }
        });
    }

    fn pull_ends(&mut self) {
        let Some(index) = self.queue.pop_front() else {
            return;
        };
        let worker = &mut self.pods[index];
        let (Some(position), Some(image)) = (worker.pulling, worker.pulls()) else {
            return;
        };
        worker.pulling = None;
        let (name, _) = worker.due()[position].clone();
        let key = (worker.pod.has_uid().to_owned(), image.clone());
        *self.attempts.entry(key).or_insert(0) += 1;
        match self.registry.get(&image) {
            Some(Registry::Has) => {
                self.on_node.insert(image);
                worker.runs(&name);
            }
            other => {
                let error = match other {
                    Some(Registry::Fails(error)) => error.clone(),
                    _ => format!(
                        r#"rpc error: code = NotFound desc = failed to pull and unpack image "{image}": failed to resolve image: {image}: not found"#
                    ),
                };
                let pause = worker
                    .back_off
                    .get(&image)
                    .map_or(FIRST, |(_, pause, _)| *pause * 2);
                let entry = (self.now, pause.min(LONGEST), error.clone());
                worker.back_off.insert(image, entry);
                worker.result(&name, "ErrImagePull", &error);
            }
        }
        self.pull_next();
        self.start_containers(index, position + 1);
    }
}

impl Worker {
    /// The containers that are to be started now: init containers one after the other, then all others.
    fn due(&self) -> Vec<(String, String)> {
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

    fn pulls(&self) -> Option<String> {
        Some(self.due()[self.pulling?].1.clone())
    }

    fn result(&mut self, container: &str, reason: &str, message: &str) {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        self.results.insert(container.to_owned(), state);
    }

    fn runs(&mut self, container: &str) {
        self.results
            .insert(container.to_owned(), json!({"running": {}}));
    }

    /// The Pod with the status that a sync starting now reports.
    fn status(&self) -> Pod {
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
