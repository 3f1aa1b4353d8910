//! A node for an agent to run on: a fake runtime, a fake API server, folders and a clock of its own.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pullwarden::admin::Health;
use pullwarden::agent::{self, Question, Surroundings};
use pullwarden::clock::Clock;
use pullwarden::config::kinds::{AbsolutePath, Word};
use pullwarden::config::{Config, Evidence, Given, LogFormat, OwnPod, Startup};
use pullwarden::judge::{NodeMode, Source};
use pullwarden::metrics::Metrics;
use pullwarden::shutdown::{self, Trigger};
use pullwarden::view::{Ask, EvidenceState, Explanation, Status};
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use testbed::fakes::{KubeletPods, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::apiserver::{ApiServer, Kind};
use super::judge::{RULES, policy};
use super::pod::Pod;
use super::store::Store;
use super::until;

/// How often the agent looks: far more often than a real one, so that nothing takes long.
const POLL: Duration = Duration::from_millis(30);

/// The same where the configuration is read: it may not be less.
const MOST_OFTEN: Duration = Duration::from_millis(100);

/// The node, and what the agent is told about it.
pub struct Node {
    pub api: ApiServer,
    pub runtime: Runtime,
    /// Without a socket, unless a test wants one.
    pub kubelet: KubeletPods,
    /// The agent's configuration at its next start.
    pub config: Config,
    dir: TempDir,
    ahead: Arc<AtomicU64>,
    stands: bool,
}

/// Whatever happened on the node: what its agents have written down is what the schema says, and judging it again comes to the same.
impl Drop for Node {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            super::node_log::holds(&self.config.startup.log_dir);
        }
    }
}

impl Node {
    /// A node whose agent is configured by default: it observes.
    pub async fn observing() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (api, ahead) = (ApiServer::start().await, Arc::default());
        api.go_by(Clock::ahead_by(Arc::clone(&ahead)));
        let below = |name: &str| -> AbsolutePath {
            let path = dir.path().join(name);
            path.to_str().unwrap().parse().unwrap()
        };
        std::fs::write(&*below("kubeconfig"), kubeconfig_for(&api.url())).unwrap();
        let runtime = Runtime::at(&dir.path().join("cri.sock"));
        runtime.up();
        let config = Config {
            policy: policy(NodeMode::Observe),
            brake: RULES,
            warm_up: Duration::ZERO,
            evidence: Evidence::Auto,
            poll: POLL,
            registry_metrics: false,
            startup: Startup {
                node_name: "node1".parse().ok(),
                cri_socket: below("cri.sock"),
                kubelet_pods_socket: below("pods.sock"),
                own_pod: None,
                kubeconfig: Some(below("kubeconfig")),
                state_dir: below("state"),
                log_dir: below("log"),
                log_format: Word(LogFormat::Text),
                admin_address: "127.0.0.1:0".parse().unwrap(),
                control_socket: below("control.sock"),
            },
        };
        Self {
            api,
            runtime,
            kubelet: KubeletPods::at(&config.startup.kubelet_pods_socket),
            config,
            dir,
            ahead,
            stands: false,
        }
    }

    /// From now on the clock shows this many milliseconds since the epoch, and goes on only by `advance`.
    pub fn stop_the_clock(&mut self, at: u64) {
        self.ahead.store(at, Ordering::SeqCst);
        self.stands = true;
        self.api.go_by(self.clock());
    }

    /// A node whose agent fails Pods after so many failures in a row.
    pub async fn counting_to(count: u32) -> Self {
        let mut node = Self::observing().await;
        node.config.policy.mode = NodeMode::Enforce;
        node.config.policy.failure_count = NonZeroU32::new(count);
        node
    }

    /// Lets the agent's clock jump ahead.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap();
        self.ahead.fetch_add(millis, Ordering::SeqCst);
    }

    /// The same, for a plan that does it in the middle of a request.
    pub fn advancing(&self, by: Duration) -> impl FnOnce(&mut Store) + Send + use<> {
        let (ahead, millis) = (self.ahead.clone(), 1000 * by.as_secs());
        move |_| _ = ahead.fetch_add(millis, Ordering::SeqCst)
    }

    /// The clock that the node's agent goes by.
    pub fn clock(&self) -> Clock {
        let ahead = self.ahead.clone();
        match self.stands {
            true => Clock::standing_at(ahead),
            false => Clock::ahead_by(ahead),
        }
    }

    /// A folder of the test's own.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The state file.
    pub fn state_file(&self) -> PathBuf {
        self.config.startup.state_dir.join("state.json")
    }

    /// The lines of the node's log.
    pub fn lines(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.config.startup.log_dir.join("pulls.jsonl"));
        let text = text.unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// A Pod is bound here: it has a sandbox, and the API server knows it.
    pub fn add(&self, pod: &Pod) {
        self.api.store().put(pod);
        self.kubelet.show(pod);
        self.runtime.add(pod);
    }

    /// The Pod is deleted, its sandbox with it.
    pub fn remove(&self, pod: &Pod) {
        self.kubelet.remove(pod);
        self.api.store().remove(pod);
        self.runtime.remove(pod);
    }

    /// The kubelet reports: by its socket, and to the API server.
    pub fn report(&self, pod: &Pod) {
        self.kubelet.show(pod);
        self.api.store().report(pod);
    }

    /// The agent has had at least `turns` turns from start to end since this was called.
    pub async fn turns(&self, turns: usize) {
        let goal = self.runtime.asked() + turns + 1;
        until("the agent has had its turns", async || {
            self.runtime.asked() >= goal
        })
        .await;
    }

    /// Starts the agent.
    pub fn agent(&self) -> Agent {
        self.agent_with(self.config.clone())
    }

    /// Starts an agent that is configured otherwise.
    pub fn agent_with(&self, config: Config) -> Agent {
        self.start(config, Given::new(BTreeMap::new(), |_| None, None))
    }

    /// Starts an agent that is configured by this file, for the node's sockets and folders.
    pub fn agent_of(&self, file: &Path) -> Agent {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let config = &self.config;
        let mut flags = BTreeMap::from([
            ("nodeName", config.policy.node.clone()),
            ("criSocket", text(&config.startup.cri_socket)),
            (
                "kubeletPodsSocket",
                text(&config.startup.kubelet_pods_socket),
            ),
            ("stateDir", text(&config.startup.state_dir)),
            ("logDir", text(&config.startup.log_dir)),
            ("adminAddress", config.startup.admin_address.0.to_string()),
            ("controlSocket", text(&config.startup.control_socket)),
            (
                "kubeconfig",
                text(config.startup.kubeconfig.as_deref().unwrap()),
            ),
            ("poll", format!("{}ms", MOST_OFTEN.as_millis())),
        ]);
        if let Some(OwnPod { namespace, name }) = &config.startup.own_pod {
            flags.insert("ownPod", format!("{namespace}/{name}"));
        }
        let mut given = Given::new(flags, |_| None, Some(file.to_owned()));
        self.start(given.load().unwrap(), given)
    }

    fn start(&self, config: Config, given: Given) -> Agent {
        let (ask, questions) = mpsc::channel(4);
        let (trigger, shutdown) = shutdown::channel();
        let metrics = Metrics::default();
        let health = Health::default();
        let surroundings = Surroundings {
            clock: self.clock(),
            given,
            metrics: metrics.clone(),
            health: health.clone(),
            questions,
            shutdown,
            on_duty: None,
        };
        let task = tokio::spawn(agent::run(config, surroundings));
        Agent {
            metrics,
            health,
            ask,
            trigger,
            task,
        }
    }

    /// The kubelet reports failed pulls of the container `c`, and the pauses after them, until the agent has counted up to `failures`.
    pub async fn fail_to(&self, agent: &Agent, pod: &Pod, failures: u32) {
        while agent.failures(pod).await < failures {
            let next = agent.failures(pod).await + 1;
            self.report(&pod.clone().not_found());
            let what = format!("failure {next} of {} is counted", pod.name());
            until(&what, async || agent.failures(pod).await >= next).await;
            self.report(&pod.clone().not_found_pausing());
            self.advance(Duration::from_secs(30));
        }
    }

    /// One more failed pull of the container `c`, which may be the last that is counted.
    pub fn fail_once(&self, pod: &Pod) {
        self.report(&pod.clone().not_found());
    }

    /// The agent has made a request of this kind, at least so often, and it was answered.
    pub async fn asked(&self, kind: Kind, times: usize) {
        let what = format!("{kind:?} was asked for {times} times");
        until(&what, async || self.api.count(kind) >= times).await;
    }
}

/// A kubeconfig for an API server without credentials.
pub fn kubeconfig_for(url: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: fake\n\
         clusters: [{{name: fake, cluster: {{server: '{url}'}}}}]\n\
         users: [{{name: fake, user: {{}}}}]\n\
         contexts: [{{name: fake, context: {{cluster: fake, user: fake}}}}]\n"
    )
}

/// An agent that runs. It ends, as if killed, when it is dropped.
pub struct Agent {
    pub metrics: Metrics,
    pub health: Health,
    /// Where questions are put.
    pub ask: mpsc::Sender<Question>,
    trigger: Trigger,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Agent {
    /// Asks the agent, and returns its answer.
    pub async fn answer<T: DeserializeOwned>(&self, ask: Ask) -> T {
        let (answer, receiver) = oneshot::channel();
        let question = Question { ask, answer };
        self.ask.send(question).await.expect("the agent runs");
        let answer = receiver.await.expect("the agent answers");
        serde_json::from_value(answer).unwrap()
    }

    /// Answer to `pullwarden status`.
    pub async fn status(&self) -> Status {
        self.answer(Ask::Status).await
    }

    /// Answer to `pullwarden explain` about a Pod.
    pub async fn explain(&self, namespace: &str, pod: &str) -> Explanation {
        let (namespace, pod) = (namespace.to_owned(), pod.to_owned());
        self.answer(Ask::Explain { namespace, pod }).await
    }

    /// The failures counted for a Pod; 0 if it is not being judged.
    pub async fn failures(&self, pod: &Pod) -> u32 {
        let status = self.status().await;
        let of_pod = status.pods.iter().filter(|p| p.uid == pod.has_uid());
        let failing = of_pod.filter_map(|p| p.failing.as_ref());
        failing.map(|image| image.failures).max().unwrap_or(0)
    }

    /// The agent is judging the Pod.
    pub async fn judges(&self, pod: &Pod) {
        until("the Pod is judged", async || {
            self.status()
                .await
                .pods
                .iter()
                .any(|p| p.uid == pod.has_uid())
        })
        .await;
    }

    /// The agent does not judge the Pod any more.
    pub async fn drops(&self, pod: &Pod) {
        until("the Pod is not judged any more", async || {
            self.status()
                .await
                .pods
                .iter()
                .all(|p| p.uid != pod.has_uid())
        })
        .await;
    }

    /// The source of the open evidence is `kubelet`, `apiserver` or (empty) none.
    pub async fn source_is(&self, expected: &str) {
        let what = format!("the source is {expected:?}");
        until(&what, async || {
            let status = self.status().await;
            status.evidence_source.map_or("", Source::as_str) == expected
                && status.evidence != EvidenceState::Lost
        })
        .await;
    }

    /// Evidence is closed, open or lost.
    pub async fn evidence_is(&self, expected: EvidenceState) {
        let what = format!("evidence is {expected:?}");
        until(&what, async || self.status().await.evidence == expected).await;
    }

    /// Asks the agent to end, and waits for it.
    pub async fn stop(mut self) {
        self.trigger.pull();
        (&mut self.task)
            .await
            .expect("it did not panic")
            .expect("it ended well");
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.task.abort();
        let ended = (&mut self.task).await;
        assert!(
            ended.is_err_and(|error| error.is_cancelled()),
            "it was still running"
        );
    }

    /// Waits until it ends by itself: how.
    pub async fn ends(mut self) -> anyhow::Result<()> {
        let ended = tokio::time::timeout(*super::DEADLINE, &mut self.task).await;
        ended.expect("it does not end").unwrap()
    }

    /// Whether it still runs.
    pub fn runs(&self) -> bool {
        !self.task.is_finished()
    }
}
