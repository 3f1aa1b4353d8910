//! Finds the source that would report Pending Pods, and the reason for it.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;

use super::Finding;
use super::socket::{Unusable, try_open};
use crate::config::{Config, Evidence};
use crate::deadline::within;
use crate::evidence::{Sighting, watch_kubelet};
use crate::judge::Source;

const WHAT: &str = "evidence";

/// The first minor version of Kubernetes whose kubelets have the socket unless told otherwise.
const HAS_SOCKET: u32 = 37;

/// Time that the kubelet may take to name its Pods.
const PATIENCE: Duration = Duration::from_secs(10);

/// Result of asking at the kubelet's socket.
#[derive(Debug)]
pub(super) enum Kubelet {
    /// It is not to be opened.
    NotAsked,
    /// It names its Pods.
    Answers,
    /// It cannot be opened.
    Unusable(Unusable),
    /// It can be opened, and does not tell of Pods.
    Silent(String),
}

impl Kubelet {
    pub(super) fn answers(&self) -> bool {
        matches!(self, Self::Answers)
    }
}

/// Asks at the kubelet's socket, if the agent would: one watch, until all Pods were named.
pub(super) async fn ask(config: &Config) -> Kubelet {
    if config.evidence == Evidence::Only(Source::ApiServer) {
        return Kubelet::NotAsked;
    }
    let path = &config.startup.kubelet_pods_socket;
    if let Err(unusable) = try_open(path).await {
        return Kubelet::Unusable(unusable);
    }
    let mut watch = pin!(watch_kubelet(path));
    let all_named = async {
        loop {
            match watch.next().await {
                Some(Sighting::Complete(_)) => return Kubelet::Answers,
                Some(Sighting::Lost(lost)) => return Kubelet::Silent(lost.why),
                Some(Sighting::Seen(_) | Sighting::Left(..) | Sighting::Alive) => {}
                None => return Kubelet::Silent("the stream has ended".to_owned()),
            }
        }
    };
    let answer = within(PATIENCE, all_named).await;
    answer.unwrap_or_else(|late| Kubelet::Silent(format!("{late} that names all Pods")))
}

/// Finds the source that will be used. `minor` is the API server's version, if it is known: where it has the kubelets' socket, the kubelets should too.
pub(super) fn judge(config: &Config, kubelet: &Kubelet, minor: Option<u32>) -> Finding {
    let path = config.startup.kubelet_pods_socket.display();
    let (problem, denied) = match kubelet {
        Kubelet::NotAsked => {
            return Finding::ok(WHAT, "from the API server, as evidence: apiserver has it");
        }
        Kubelet::Answers => {
            let by = config.evidence.as_str();
            return Finding::ok(
                WHAT,
                &format!("from the kubelet, which answers at {path} (evidence: {by})"),
            );
        }
        Kubelet::Unusable(unusable) => (format!("{path} {unusable}"), unusable.is_denied()),
        Kubelet::Silent(why) => (format!("{path} does not tell of Pods: {why}"), false),
    };
    let remedy = match denied {
        true => "run as root: the kubelet's socket is root's alone; or set evidence: apiserver",
        false => {
            "from Kubernetes 1.37 on kubelets have it: set kubeletPodsSocket to it and, in a Pod, mount its folder; on older nodes set evidence: apiserver"
        }
    };
    if config.evidence == Evidence::Only(Source::Kubelet) {
        let found = format!("from nobody: {problem}, and evidence: kubelet asks nobody else");
        return Finding::fault(WHAT, &found, remedy);
    }
    let found = format!("from the API server: {problem} (evidence: auto)");
    let absent = matches!(kubelet, Kubelet::Unusable(Unusable::Absent));
    match absent && minor.is_none_or(|minor| minor < HAS_SOCKET) {
        true => Finding::ok(WHAT, &found),
        false => Finding::warning(WHAT, &found, remedy),
    }
}
