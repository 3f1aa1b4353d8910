//! A kubelet, as far as pulling goes, on virtual time. What it does is written down in KUBELET.md.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::fault;
use super::pod::Pod;
use super::registry::{Registries, Registry};
use super::worker::Worker;

/// From an event of the runtime, or a deadline, to the sync that it causes.
const PROMPT: Duration = Duration::from_millis(800);

/// A kubelet and its Pods.
#[derive(Clone, Debug)]
pub struct Kubelet {
    now: Duration,
    /// Whether `ImagePullBackOff` ends with the last error: from 1.32 on.
    tells_last_error: bool,
    registries: Registries,
    on_node: BTreeSet<String>,
    pods: Vec<Worker>,
    /// The Pods that wait for their turn to pull; the first of them is pulling (`serializeImagePulls`).
    queue: VecDeque<usize>,
    pulled_at: Option<Duration>,
    /// The pull in flight ends because the runtime does.
    cancelled: bool,
    attempts: BTreeMap<(String, String), u32>,
    jitter: u64,
    reported: VecDeque<(Duration, Pod)>,
    arrived: Vec<String>,
}

impl Kubelet {
    /// One of version 1.32 or later, without Pods.
    pub fn new() -> Self {
        Self {
            now: Duration::ZERO,
            tells_last_error: true,
            registries: Registries::default(),
            on_node: BTreeSet::new(),
            pods: Vec::new(),
            queue: VecDeque::new(),
            pulled_at: None,
            cancelled: false,
            attempts: BTreeMap::new(),
            jitter: 1,
            reported: VecDeque::new(),
            arrived: Vec::new(),
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
        self.registries(|registries| registries.image(image, comes_to));
    }

    /// Changes what comes of pulling, of the pull in flight too.
    pub fn registries(&mut self, change: impl FnOnce(&mut Registries)) {
        change(&mut self.registries);
        self.pull_next();
    }

    /// The images that were pulled since this was last asked.
    pub fn arrivals(&mut self) -> Vec<String> {
        std::mem::take(&mut self.arrived)
    }

    /// Whether an image is on the node.
    pub fn has(&self, image: &str) -> bool {
        self.on_node.contains(image)
    }

    /// An image is on the node without anyone having pulled it from its registry.
    pub fn load(&mut self, image: &str) {
        self.on_node.insert(image.to_owned());
    }

    /// A Pod is bound to the node.
    pub fn start(&mut self, pod: Pod) {
        self.pods.push(Worker::new(pod, self.now));
    }

    /// A container's image is edited in place. Its status is about the one before until the next sync, and shows the error of the one
    /// before until the first pull of the new one has ended.
    pub fn edit(&mut self, uid: &str, container: &str, image: &str) {
        let soon = self.now + PROMPT;
        for worker in self.pods.iter_mut().filter(|w| w.pod.has_uid() == uid) {
            assert_eq!(worker.pulling, None, "not in the middle of a pull");
            worker.pod = worker.pod.clone().edited(container, image);
            worker.news = true;
            worker.next_sync = Some(soon);
            self.reported.push_back((self.now, worker.pod.clone()));
        }
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
            worker.news = true;
            worker.back_off.clear();
            worker
                .results
                .retain(|_, state| state.get("running").is_some());
            worker.next_sync = Some(self.now);
        }
    }

    /// The node is started anew: what ran does not run any more, and all else is as after a restart of the kubelet.
    pub fn reboot(&mut self) {
        for worker in self.pods.iter_mut().filter(|w| !w.ended) {
            worker.results.clear();
            worker.sandbox_is_new = true;
        }
        self.restart();
    }

    /// The runtime ends: the pull in flight is cancelled, and every one until it is back fails at once.
    pub fn runtime_down(&mut self) {
        self.runtime_is(Some(fault::RUNTIME_AWAY));
        if self.pulls().is_some() {
            self.cancelled = true;
            self.pulled_at = Some(self.now);
        }
    }

    /// The runtime is back.
    pub fn runtime_up(&mut self) {
        self.runtime_is(None);
    }

    fn runtime_is(&mut self, away: Option<&str>) {
        let comes_to = away.map(|text| Registry::Fails(text.to_owned()));
        self.registries(|registries| registries.runtime(comes_to));
    }

    /// How many pulls of `image` were tried for a Pod, to their end.
    pub fn attempts(&self, uid: &str, image: &str) -> u32 {
        let key = (uid.to_owned(), image.to_owned());
        self.attempts.get(&key).copied().unwrap_or(0)
    }

    /// Lets time pass until `now`. Every status reported in between, in order, with its time.
    pub fn step(&mut self, now: Duration) -> Vec<(Duration, Pod)> {
        std::iter::from_fn(|| self.next_report(now)).collect()
    }

    /// Lets time pass until a status is reported, or until `now`.
    pub fn next_report(&mut self, now: Duration) -> Option<(Duration, Pod)> {
        while self.reported.is_empty() {
            let Some((at, who)) = self.next_event().filter(|(at, _)| *at <= now) else {
                self.now = now;
                return None;
            };
            self.now = at;
            match who {
                None => self.pull_ends(),
                Some(index) => self.sync(index),
            }
        }
        self.reported.pop_front()
    }

    /// What time it is.
    pub fn now(&self) -> Duration {
        self.now
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
            worker.news = true;
        }
        if std::mem::take(&mut worker.news) {
            let pod = worker.status();
            if pod != worker.pod {
                worker.pod = pod.clone();
                self.reported.push_back((self.now, pod));
            }
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
            if self.on_node.contains(image) && !worker.always_pulls(name) {
                worker.runs(name);
                continue;
            }
            match worker.back_off.get(image) {
                Some(pause) if now < pause.until => {
                    let message = pause.message(image, self.tells_last_error);
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
        worker.next_sync = match prompt || worker.deadline {
            true if worker.deadline || worker.status() != worker.pod => Some(now + PROMPT),
            true => None,
            false => Some(now + wait),
        };
    }

    /// The image that is being pulled.
    fn pulls(&self) -> Option<String> {
        self.pods[*self.queue.front()?].pulls()
    }

    fn pull_next(&mut self) {
        let takes = self.pulls().and_then(|image| self.registries.takes(&image));
        self.pulled_at = takes.map(|time| self.now + time);
    }

    fn pull_ends(&mut self) {
        let Some(image) = self.pulls() else { return };
        let Some(index) = self.queue.pop_front() else {
            return;
        };
        let worker = &mut self.pods[index];
        let Some(position) = worker.pulling.take() else {
            return;
        };
        let (name, _) = worker.due()[position].clone();
        let key = (worker.pod.has_uid().to_owned(), image.clone());
        *self.attempts.entry(key).or_insert(0) += 1;
        let comes_to = match std::mem::take(&mut self.cancelled) {
            true => Registry::Fails(fault::of(&image, fault::CANCELLED)),
            false => self.registries.pull(&image),
        };
        if let Registry::Fails(error) = comes_to {
            worker.fails(&name, &image, error, self.now);
        } else {
            if self.on_node.insert(image.clone()) {
                self.arrived.push(image);
            }
            worker.runs(&name);
        }
        self.pull_next();
        self.start_containers(index, position + 1);
    }
}
