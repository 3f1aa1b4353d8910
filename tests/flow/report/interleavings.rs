//! Random interleavings of what can go wrong around the two writes. Whatever happened: at the end no Pod that runs has our condition True,
//! and no Pod was failed after it had started.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use pullwarden::pod_fields::CONDITION;
use serde_json::Value;

use crate::support::apiserver::Kind::{Get, PatchPod, PatchStatus};
use crate::support::apiserver::{Act, Kind};
use crate::support::node::{Agent, Node};
use crate::support::pod::NOT_FOUND;
use crate::support::race::pod;
use crate::support::random::cases;
use crate::support::until;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The kubelet reports a failed pull.
    Fail,
    /// It reports the pause after that.
    Pause,
    /// The image is there, and the Pod runs.
    Start,
    /// The Pod runs just before the API server answers the next request of this kind.
    StartBefore(Kind),
    /// So many requests of this kind are answered like that, from the next one on.
    Fault(Kind, Fault, usize),
    /// The agent is killed, and another one starts.
    Kill,
    /// So, and its state is lost.
    Lose,
    /// The agent is asked to end, and another one starts.
    Restart,
    /// The API server goes away, or comes back.
    Outage,
    /// The kubelet's socket comes, or goes.
    Socket,
    /// The configuration says observe, or enforce again.
    Mode,
    /// A span of time passes.
    Wait(u64),
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Refused(u16),
    Dropped,
    AnswerDropped,
}

fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![
        prop_oneof![Just(403), Just(409), Just(429), Just(500), Just(503)].prop_map(Fault::Refused),
        Just(Fault::Dropped),
        Just(Fault::AnswerDropped),
    ]
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Get), Just(PatchStatus), Just(PatchPod)]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Fail),
        2 => Just(Step::Pause),
        1 => Just(Step::Start),
        1 => kinds().prop_map(Step::StartBefore),
        4 => (kinds(), faults(), 1..6_usize).prop_map(|(kind, fault, times)| Step::Fault(kind, fault, times)),
        2 => Just(Step::Kill),
        1 => Just(Step::Lose),
        1 => Just(Step::Restart),
        2 => Just(Step::Outage),
        1 => Just(Step::Socket),
        1 => Just(Step::Mode),
        2 => (1..700_u64).prop_map(Step::Wait),
    ]
}

fn config(mode: &str) -> String {
    // The brakes are others' business.
    format!(
        "mode: {mode}\nimagePullFailureCount: 1\nwarmUp: 0s\nevidence: auto\nbudget: {{pods: 1000, perOwner: 1000, per: 10m}}\n"
    )
}

/// The Pod runs from now on, unless the kubelet is about to end it: then it has failed.
fn start(pod: &mut Value) {
    let is_ended = pod["spec"]["activeDeadlineSeconds"] == 1;
    if pod["status"]["phase"] == "Pending" {
        pod["status"]["phase"] = match is_ended {
            true => "Failed".into(),
            false => "Running".into(),
        };
        let state =
            crate::support::race::pod().running("c").0["status"]["containerStatuses"].clone();
        pod["status"]["containerStatuses"] = state;
    }
}

struct Run {
    node: Node,
    agent: Option<Agent>,
    is_away: bool,
    has_socket: bool,
    enforces: bool,
}

impl Run {
    async fn begin() -> Self {
        let node = Node::observing().await;
        std::fs::write(node.path().join("config.yaml"), config("enforce")).unwrap();
        node.add(&pod());
        let mut run = Self {
            node,
            agent: None,
            is_away: false,
            has_socket: false,
            enforces: true,
        };
        run.agent = Some(run.start_agent());
        run
    }

    fn file(&self) -> std::path::PathBuf {
        Path::new(self.node.path()).join("config.yaml")
    }

    fn start_agent(&self) -> Agent {
        self.node.agent_of(&self.file())
    }

    fn pod(&self) -> Value {
        self.node.api.store().pod("p").unwrap().clone()
    }

    /// What the kubelet knows is what the API server has, but for the condition, which the kubelet learns of late.
    fn show(&self) {
        let mut shown = pod();
        let (now, status) = (self.pod(), &mut shown.0["status"]);
        status["phase"] = now["status"]["phase"].clone();
        status["containerStatuses"] = now["status"]["containerStatuses"].clone();
        self.node.kubelet.show(&shown);
    }

    fn report(&self, reported: &crate::support::pod::Pod) {
        if self.pod()["status"]["phase"] == "Pending" {
            self.node.api.store().report(reported);
            self.show();
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Fail => self.report(&pod().failing(NOT_FOUND)),
            Step::Pause => self.report(&pod().pausing(NOT_FOUND)),
            Step::Start => {
                self.node.api.store().edit("p", start);
                self.show();
            }
            Step::StartBefore(kind) => {
                let next = self.node.api.count(kind) + 1;
                self.node
                    .api
                    .before(kind, next, |store| store.edit("p", start));
            }
            Step::Fault(kind, fault, times) => {
                let next = self.node.api.count(kind) + 1;
                for nth in next..next + times {
                    let act = match fault {
                        Fault::Refused(code) => Act::Refuse(code, "not now"),
                        Fault::Dropped => Act::Drop,
                        Fault::AnswerDropped => Act::DropAnswer,
                    };
                    self.node.api.at(kind, nth, act);
                }
            }
            Step::Kill | Step::Lose => {
                if let Some(agent) = self.agent.take() {
                    agent.kill().await;
                }
                if matches!(step, Step::Lose) {
                    let _ = std::fs::remove_file(self.node.state_file());
                }
                self.agent = Some(self.start_agent());
            }
            Step::Restart => {
                if let Some(agent) = self.agent.take() {
                    agent.stop().await;
                }
                self.agent = Some(self.start_agent());
            }
            Step::Outage => {
                self.is_away = !self.is_away;
                match self.is_away {
                    true => self.node.api.down().await,
                    false => self.node.api.up().await,
                }
            }
            Step::Socket => {
                self.has_socket = !self.has_socket;
                match self.has_socket {
                    true => self.node.kubelet.up(),
                    false => self.node.kubelet.down().await,
                }
            }
            Step::Mode => {
                self.enforces = !self.enforces;
                let mode = if self.enforces { "enforce" } else { "observe" };
                std::fs::write(self.file(), config(mode)).unwrap();
            }
            Step::Wait(seconds) => self.node.advance(Duration::from_secs(seconds)),
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }

    /// Everything is well again, and time goes on until a Pod that runs is right.
    async fn end(self) {
        if self.is_away {
            self.node.api.up().await;
        }
        let first_written = self.first_written();
        let started = self.pod()["status"]["phase"] == "Running";
        assert!(!(started && first_written), "failed after it had started");
        let what = "no Pod that runs has the condition";
        until(what, async || {
            self.node.advance(Duration::from_secs(20));
            let pod = self.pod();
            let conditions = pod["status"]["conditions"].as_array().unwrap();
            let is_ours = |c: &&Value| c["type"] == CONDITION && c["status"] == "True";
            pod["status"]["phase"] != "Running" || !conditions.iter().any(|c| is_ours(&c))
        })
        .await;
        assert!(
            !(started && self.first_written()),
            "failed after it had started"
        );
    }

    fn first_written(&self) -> bool {
        self.pod()["spec"]["activeDeadlineSeconds"] == 1
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn whatever_happens_no_pod_that_runs_has_the_condition(
        steps in prop::collection::vec(steps(), 1..16)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::begin().await;
            for step in steps {
                run.take(step).await;
            }
            // As if it came in the end, whatever came before.
            run.take(Step::Start).await;
            run.end().await;
        });
    }
}
