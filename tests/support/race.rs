//! The report on one Pod, with what goes wrong on the way planned before.

use serde_json::Value;

use super::apiserver::Kind::{
    self, DeletePod, GetFleet, List, PatchFleet, PatchPod, PatchStatus, Watch,
};
use super::node::{Agent, Node};
use super::pod::Pod;
use super::until;

/// The Pod that is failed.
pub fn pod() -> Pod {
    Pod::bad("p")
}

/// A Pod that is failed at its first failed pull. What goes wrong on the way is planned before.
pub struct Race {
    pub node: Node,
    pub agent: Agent,
}

impl Race {
    /// An agent that judges the Pod and has seen no failure yet.
    pub async fn start() -> Self {
        let node = Node::counting_to(1).await;
        node.add(&pod());
        let agent = node.agent();
        agent.judges(&pod()).await;
        Self { node, agent }
    }

    /// The pull fails, and the report on it ends this way.
    pub async fn ends(&self, expected: &str) {
        self.node.fail_once(&pod());
        self.ends_again(1, expected).await;
    }

    /// The report with this number ends this way.
    pub async fn ends_again(&self, times: usize, expected: &str) {
        let mut reports = Vec::new();
        until("the report has ended", async || {
            let lines = self.node.lines().into_iter();
            reports = lines.filter(|line| line["kind"] == "report").collect();
            reports.len() >= times
        })
        .await;
        assert_eq!(
            reports[times - 1]["ending"],
            expected,
            "{:?}",
            self.node.api.log()
        );
        self.node.turns(2).await;
    }

    /// Everything asked for after the watch was opened. Before the first write to the Pod stand the two
    /// requests of the fleet budget, which `expected` leaves out.
    #[track_caller]
    pub fn asked(&self, expected: &[Kind]) {
        let kinds = self.node.api.kinds();
        assert_eq!(kinds[..2], [List, Watch]);
        let mut expected = expected.to_vec();
        let is_write = |kind: &Kind| matches!(kind, PatchStatus | PatchPod | DeletePod);
        if let Some(first) = expected.iter().position(is_write) {
            expected.splice(first..first, [GetFleet, PatchFleet]);
        }
        assert_eq!(kinds[2..], expected, "{:#?}", self.node.lines());
    }

    /// The same, and one more read of the Pod if, and only if, the watch reported the Pod with our
    /// condition after the report had ended: the agent then reads whether the condition stands.
    #[track_caller]
    pub fn asked_and_read_after_a_late_report(&self, expected: &[Kind]) {
        let lines = self.node.lines();
        let place = |is: fn(&Value) -> bool| lines.iter().position(is);
        let ended = place(|line| line["kind"] == "report");
        let late = place(|line| line["view"]["marked"] == true) > ended;
        let mut expected = expected.to_vec();
        expected.extend(late.then_some(Kind::Get));
        self.asked(&expected);
    }

    /// Everything written, whether it was refused or not.
    #[track_caller]
    pub fn wrote(&self, expected: &[Kind]) {
        assert_eq!(self.node.api.writes(), expected);
    }

    /// The status of our condition on the Pod; Null if there is none.
    pub fn condition(&self) -> Value {
        let store = self.node.api.store();
        let pod = store.pod("p").expect("the Pod is there");
        let conditions = pod["status"]["conditions"].as_array().unwrap();
        let ours = conditions
            .iter()
            .find(|c| c["type"] == "pullwarden.io/ImagePullFailed");
        ours.map_or(Value::Null, |c| c["status"].clone())
    }

    /// The Pod's deadline; Null if there is none.
    pub fn deadline(&self) -> Value {
        self.node.api.store().pod("p").unwrap()["spec"]["activeDeadlineSeconds"].clone()
    }
}
